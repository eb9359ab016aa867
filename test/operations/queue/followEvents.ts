import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { OpenStreams } from '../../../src/service/events/open-streams.js';
import { EventReader } from '../../support/event-reader.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

const others = Array.from({ length: 2_000 }, () => new ServerResponse(new IncomingMessage(new Socket())));

/** The scope of any one filter suffices; only who names none needs those of everything. */
export default operation({
  arrange: async (world, alternative) => {
    const { params, taskGroupId, taskQueueId } = await world.task();
    const filters: Record<string, string>[] = [params, { taskGroupId }, { taskQueueId }, {}];
    return { query: filters[alternative ?? 0] ?? {}, taskId: params.taskId, taskGroupId, taskQueueId };
  },
  scopes: ({ taskId, taskGroupId, taskQueueId }) => [
    [`queue:status:${taskId}`],
    [`queue:list-task-group:${taskGroupId}`],
    [`queue:pending-list:${taskQueueId}`, `queue:claimed-list:${taskQueueId}`, 'queue:status:*'],
    ['queue:status:*', 'queue:list-task-group:*'],
  ],
  check: async ({ headers }, { query, taskId }, { root, tasks }) => {
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
    const reader = await EventReader.open(root, query);
    try {
      await ok(tasks.steer('cancel', taskId));
      await reader.until(() => reader.events.some(({ kind, data }) => kind === 'task-exception' && data.status.taskId === taskId));
    } finally {
      reader.close();
    }
  },
  also: {
    'a run its own task': {
      call: async (_, world) => {
        const { params, credentials } = await world.run();
        return { query: { taskId: params.taskId }, as: credentials };
      },
      check: ({ status }) => expect(status).toBe(200),
    },
  },
  refusals: {
    'an id that no event has': { call: { headers: { 'last-event-id': 'x' } }, code: 'InvalidRequestArguments', says: /Last-Event-ID/ },
    'as many as there may be': {
      before: (_, { test }) => {
        for (const [index, other] of others.entries())
          test.service.app.get(OpenStreams).admit(other, `client-${index % 4}`, Date.now() + 60_000);
      },
      code: 'ServiceUnavailable',
      says: /2000 event streams/,
      after: () => {
        for (const other of others) other.emit('close');
      },
    },
    'a kind there is not': { call: { query: { kind: 'task-born' } }, code: 'InvalidRequestArguments', says: /kind must match/ },
  },
});

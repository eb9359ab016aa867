import { slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ ...(await world.task()), body: { newPriority: 'high' } }),
  scopes: ({ params, taskQueueId }) => [
    [`queue:change-task-priority:${params.taskId}`],
    [`queue:change-task-priority-in-queue:${taskQueueId}`],
  ],
  mayKnow: ({ params }) => `queue:status:${params.taskId}`,
  check: async ({ body }, { params }, { root, tasks }) => {
    expect(body.status).toMatchObject({ taskId: params.taskId, priority: 'high', state: 'pending' });
    expect(body).toEqual({ status: await tasks.status(params.taskId) });
    expect((await ok(root.get(`/queue/v1/task/${params.taskId}`))).priority).toBe('high');
  },
  unknown: () => ({ taskId: slugid() }),
  also: {
    'the one it has': { call: { body: { newPriority: 'lowest' } }, check: ({ body }) => expect(body.status.priority).toBe('lowest') },
    'of one that runs': {
      before: ({ params }, { tasks }) => tasks.claimTask(params.taskId),
      check: ({ body }) => expect(body.status).toMatchObject({ priority: 'high', state: 'running' }),
    },
  },
  refusals: {
    'it has ended': {
      before: ({ params }, { tasks }) => tasks.run('failed', params.taskId),
      code: 'RequestConflict',
      says: /is failed/,
    },
    'its deadline has passed': {
      before: ({ params }, { tasks }) => tasks.pastDeadline(params.taskId),
      code: 'RequestConflict',
      says: /The deadline of task .* has passed/,
    },
    'no priority of ours': { call: { body: { newPriority: 'normal' } }, code: 'InputValidationError', says: /newPriority/ },
  },
});

import { slugid } from '../../support/api.js';
import { ok, WORKER } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { soon, workerPath } from '../world.js';

const conflict = { code: 'RequestConflict' } as const;

export default operation({
  arrange: async (world) => {
    const { params, taskQueueId } = await world.task();
    return { params: { ...params, runId: '0' }, body: WORKER, taskQueueId };
  },
  scopes: ({ taskQueueId }) => [[`queue:claim-task:${taskQueueId}`, 'queue:worker-id:group/worker']],
  mayKnow: ({ params }) => `queue:status:${params.taskId}`,
  check: async ({ body }, { params, taskQueueId }, { tasks }) => {
    const status = await tasks.status(params.taskId);
    expect(status).toMatchObject({ state: 'running', runs: [{ ...WORKER, takenUntil: body.takenUntil }] });
    expect(body).toMatchObject({ status, runId: 0, ...WORKER, fence: 1, task: { taskQueueId } });
  },
  unknown: () => ({ taskId: slugid() }),
  also: {
    'by the worker that holds it: the same lease': {
      before: ({ params }, { tasks }) => ok(tasks.claimTask(params.taskId)),
      check: ({ body }) => expect(body).toMatchObject({ fence: 1, status: { state: 'running' } }),
    },
  },
  refusals: {
    'a run that is none': { call: { params: { runId: '1' } }, code: 'ResourceNotFound', says: /Run 1 of task .* does not exist/ },
    'a run beyond all runs': { call: { params: { runId: '1001' } }, code: 'ResourceNotFound', says: /from 0 to 1000/ },
    'another worker holds it': {
      before: ({ params }, { tasks }) => ok(tasks.claimTask(params.taskId, 0, { ...WORKER, workerId: 'other' })),
      ...{ ...conflict, says: /is claimed by worker group\/other until/ },
    },
    'its lease lapsed': {
      before: async ({ params }, { tasks }) => {
        await ok(tasks.claimTask(params.taskId));
        await tasks.lapse(params.taskId);
      },
      ...{ ...conflict, says: /its lease lapsed/ },
    },
    'it has ended': { before: ({ params }, { tasks }) => tasks.run('failed', params.taskId), ...conflict, says: /it is failed/ },
    'its deadline has passed': {
      before: ({ params }, { tasks }) => tasks.pastDeadline(params.taskId),
      ...{ ...conflict, says: /the deadline .* has passed/ },
    },
    'the worker is quarantined': {
      before: async ({ taskQueueId }, world) => {
        const worker = await world.worker(`${taskQueueId}x`, WORKER.workerId);
        await ok(world.root.put(workerPath(worker.params), { quarantineUntil: soon() }));
      },
      call: async ({ taskQueueId }, world) => ({ params: (await world.task({ taskQueueId: `${taskQueueId}x` })).params }),
      ...{ ...conflict, says: /Worker group\/worker is quarantined/ },
    },
    'a run that claims as its own worker': {
      call: async (_, world) => ({ as: (await world.run({ scopes: ['*'] })).credentials }),
      code: 'InsufficientScopes',
      says: /cannot claim as the worker group\/worker that runs it/,
    },
  },
});

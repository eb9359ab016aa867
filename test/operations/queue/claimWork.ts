import { ok, WORKER } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { soon, workerPath } from '../world.js';

const KEY = 'a-key-of-this-call';

export default operation({
  arrange: async (world) => {
    const { params, taskQueueId } = await world.task({ scopes: ['some:thing'] });
    return { params: { taskQueueId }, body: { ...WORKER, tasks: 2 }, taskId: params.taskId };
  },
  scopes: ({ params }) => [[`queue:claim-work:${params.taskQueueId}`, 'queue:worker-id:group/worker']],
  check: async ({ body }, { taskId, params }, { tasks }) => {
    const status = await tasks.status(taskId);
    expect(status).toMatchObject({ state: 'running', runs: [{ ...WORKER, takenUntil: body.tasks[0].takenUntil }] });
    const credentials = { clientId: expect.stringContaining(taskId), accessToken: expect.any(String), certificate: expect.any(String) };
    const task = expect.objectContaining({ ...params, scopes: ['some:thing'] });
    expect(body.tasks).toEqual([{ status, runId: 0, ...WORKER, takenUntil: expect.any(String), fence: 1, task, credentials }]);
  },
  also: {
    'an idle queue has no tasks': {
      before: ({ params }, { tasks }) => ok(tasks.claimWork(params.taskQueueId)),
      check: ({ body }) => expect(body).toEqual({ tasks: [] }),
    },
    'the same call again has the same claims': {
      before: ({ params }, { tasks }) => ok(tasks.claimWork(params.taskQueueId, 2, WORKER, { 'idempotency-key': KEY })),
      call: { headers: { 'idempotency-key': KEY } },
      check: ({ body }, { taskId }) => expect(body.tasks).toMatchObject([{ status: { taskId }, runId: 0, fence: 1 }]),
    },
    'a quarantined worker gets none': {
      before: async ({ params }, world) => {
        const worker = await world.worker(params.taskQueueId, WORKER.workerId);
        await ok(world.root.put(workerPath(worker.params), { quarantineUntil: soon() }));
        await world.tasks.create({ taskQueueId: params.taskQueueId });
      },
      check: ({ body }) => expect(body).toEqual({ tasks: [] }),
    },
  },
  refusals: {
    'a run that claims as its own worker': {
      call: async (_, world) => ({ as: (await world.run({ scopes: ['*'] })).credentials }),
      code: 'InsufficientScopes',
      says: /cannot claim as the worker group\/worker that runs it/,
    },
    ...Object.fromEntries(
      [0, 33, 1.5].map((tasks) => [`${tasks} tasks`, { call: { body: { tasks } }, code: 'InputValidationError', says: /tasks/ }]),
    ),
    'an empty key': { call: { headers: { 'idempotency-key': '' } }, code: 'InvalidRequestArguments', says: /Idempotency-Key/ },
    'a long key': { call: { headers: { 'idempotency-key': 'x'.repeat(256) } }, code: 'InvalidRequestArguments', says: /Idempotency-Key/ },
  },
});

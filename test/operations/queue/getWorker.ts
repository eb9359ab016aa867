import { operation } from '../operation.js';
import { workerScope } from '../world.js';

export default operation({
  arrange: async (world) => {
    const { params, taskQueueId } = await world.task();
    return { ...(await world.worker(taskQueueId)), taskQueueId, taskId: params.taskId };
  },
  scopes: ({ params }) => [[`queue:get-worker:${workerScope(params)}`]],
  check: ({ body }, { params, taskQueueId, taskId }) => {
    const times = { expires: expect.any(String), firstClaim: expect.any(String), lastDateActive: expect.any(String) };
    const free = { quarantineUntil: new Date(0).toISOString(), quarantineDetails: [] };
    expect(body).toEqual({ ...params, taskQueueId, recentTasks: [{ taskId, runId: 0 }], ...times, ...free });
  },
  unknown: () => ({ workerId: 'nobody-saw-it' }),
  refusals: { 'a queue nobody saw': { call: { params: { workerType: 'none' } }, code: 'ResourceNotFound', says: /was not seen/ } },
});

import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const { taskQueueId } = await world.task();
    await world.tasks.create({ taskQueueId });
    await ok(world.tasks.claimWork(taskQueueId));
    return { params: { taskQueueId } };
  },
  scopes: ({ params }) => [[`queue:pending-count:${params.taskQueueId}`, `queue:claimed-count:${params.taskQueueId}`]],
  check: ({ body }, { params }) => {
    const [provisionerId, workerType] = params.taskQueueId.split('/');
    expect(body).toEqual({ provisionerId, workerType, ...params, pendingTasks: 1, claimedTasks: 1 });
  },
});

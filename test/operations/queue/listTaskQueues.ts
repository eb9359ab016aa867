import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: {}, taskQueueId: await world.polledQueue() }),
  scopes: () => [['queue:list-task-queues']],
  check: ({ body }, { taskQueueId }) => {
    const [provisionerId, workerType] = taskQueueId.split('/');
    const about = { stability: 'experimental', description: '', expires: expect.any(String), lastDateActive: expect.any(String) };
    expect(body.taskQueues).toContainEqual({ provisionerId, workerType, taskQueueId, ...about });
  },
  pages: { list: ({ taskQueues }) => taskQueues.map((queue: { taskQueueId: string }) => queue.taskQueueId) },
});

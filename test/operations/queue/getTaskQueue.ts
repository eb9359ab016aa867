import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: { taskQueueId: await world.polledQueue() } }),
  scopes: ({ params }) => [[`queue:get-task-queue:${params.taskQueueId}`]],
  check: ({ body }, { params }) => {
    const [provisionerId, workerType] = params.taskQueueId.split('/');
    const about = { stability: 'experimental', description: '', expires: expect.any(String), lastDateActive: expect.any(String) };
    expect(body).toEqual({ provisionerId, workerType, ...params, ...about });
  },
  unknown: () => ({ taskQueueId: 'never/seen' }),
});

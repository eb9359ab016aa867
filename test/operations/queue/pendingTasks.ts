import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const { taskQueueId } = await world.task();
    return { params: { taskQueueId } };
  },
  scopes: ({ params }) => [[`queue:pending-count:${params.taskQueueId}`]],
  check: ({ body }, { params }) => {
    const [provisionerId, workerType] = params.taskQueueId.split('/');
    expect(body).toEqual({ provisionerId, workerType, ...params, pendingTasks: 1 });
  },
  also: {
    'a queue that nobody knows has none': {
      call: { params: { taskQueueId: 'never/seen' } },
      check: ({ body }) => expect(body.pendingTasks).toBe(0),
    },
  },
});

import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const taskQueueId = world.queueId();
    const taskIds: string[] = [];
    for (let made = 0; made < 3; made++) taskIds.push(await world.tasks.create({ taskQueueId }));
    for (const taskId of taskIds) await ok(world.tasks.claimTask(taskId));
    return { params: { taskQueueId }, taskIds };
  },
  scopes: ({ params }) => [[`queue:claimed-list:${params.taskQueueId}`]],
  check: async ({ body }, { taskIds }, { root, tasks }) => {
    const one = async (taskId: string) => {
      const status = await tasks.status(taskId);
      return {
        taskId,
        runId: 0,
        workerGroup: 'group',
        workerId: 'worker',
        claimed: status.runs[0].started,
        task: await ok(root.get(`/queue/v1/task/${taskId}`)),
      };
    };
    expect(body).toEqual({ tasks: await Promise.all(taskIds.map(one)) });
  },
  pages: { list: ({ tasks }) => tasks },
  also: {
    'a queue that nobody knows has none': {
      call: { params: { taskQueueId: 'never/seen' } },
      check: ({ body }) => expect(body).toEqual({ tasks: [] }),
    },
  },
});

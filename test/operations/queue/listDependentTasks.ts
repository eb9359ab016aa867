import { slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const { params } = await world.task();
    const { taskIds } = await world.group(3, { dependencies: [params.taskId] });
    return { params, taskIds };
  },
  scopes: ({ params }) => [[`queue:list-dependent-tasks:${params.taskId}`]],
  check: async ({ body }, { params, taskIds }, { root, tasks }) => {
    const one = async (taskId: string) => ({ task: await ok(root.get(`/queue/v1/task/${taskId}`)), status: await tasks.status(taskId) });
    expect(body).toEqual({ taskId: params.taskId, tasks: await Promise.all(taskIds.map(one)) });
  },
  unknown: () => ({ taskId: slugid() }),
  pages: { list: ({ tasks }) => tasks },
});

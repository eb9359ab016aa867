import { slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => world.group(3),
  scopes: ({ params }) => [[`queue:list-task-group:${params.taskGroupId}`]],
  check: async ({ body }, { params, taskIds }, { root, tasks }) => {
    const one = async (taskId: string) => ({ task: await ok(root.get(`/queue/v1/task/${taskId}`)), status: await tasks.status(taskId) });
    const listed = await Promise.all(taskIds.map(one));
    expect(body).toEqual({ ...params, schedulerId: 'sched', expires: expect.any(String), tasks: listed });
  },
  unknown: () => ({ taskGroupId: slugid() }),
  pages: { list: ({ tasks }) => tasks },
});

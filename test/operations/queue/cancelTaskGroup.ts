import { slugid } from '../../support/api.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const group = await world.group(2);
    await world.sealGroup(group.params.taskGroupId);
    return group;
  },
  scopes: ({ params }) => [[`queue:cancel-task-group:sched/${params.taskGroupId}`]],
  mayKnow: ({ params }) => `queue:list-task-group:${params.taskGroupId}`,
  check: async ({ body }, { params, taskIds }, { tasks }) => {
    expect({ ...body, taskIds: body.taskIds.sort() }).toEqual({ ...params, taskGroupSize: 2, cancelledCount: 2, taskIds });
    for (const taskId of taskIds) expect((await tasks.status(taskId)).runs).toMatchObject([{ reasonResolved: 'canceled' }]);
  },
  unknown: () => ({ taskGroupId: slugid() }),
  also: {
    'tasks that have ended stay as they are': {
      before: ({ taskIds }, { tasks }) => tasks.run('completed', taskIds[0]!),
      check: async ({ body }, { taskIds }, { tasks }) => {
        expect(body).toMatchObject({ taskGroupSize: 2, cancelledCount: 1, taskIds: [taskIds[1]] });
        expect(await tasks.state(taskIds[0]!)).toBe('completed');
      },
    },
  },
  refusals: {
    'it is not sealed': {
      call: async (_, world) => ({ params: (await world.group()).params }),
      code: 'RequestConflict',
      says: /is not sealed; seal it first/,
    },
  },
});

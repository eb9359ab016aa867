import { slugid } from '../../support/api.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ ...(await world.group(2)), body: { newPriority: 'high' } }),
  scopes: ({ params }) => [[`queue:change-task-group-priority:sched/${params.taskGroupId}`]],
  mayKnow: ({ params }) => `queue:list-task-group:${params.taskGroupId}`,
  check: async ({ body }, { params, taskIds }, { tasks }) => {
    const answer = { ...params, schedulerId: 'sched', newPriority: 'high', tasksAffected: 2, taskIds };
    expect({ ...body, taskIds: body.taskIds.sort() }).toEqual(answer);
    for (const taskId of taskIds) expect(await tasks.status(taskId)).toMatchObject({ priority: 'high', state: 'pending' });
  },
  unknown: () => ({ taskGroupId: slugid() }),
  also: {
    'tasks that have ended stay as they are': {
      before: ({ taskIds }, { tasks }) => tasks.run('completed', taskIds[0]!),
      check: async ({ body }, { taskIds }, { tasks }) => {
        expect(body).toMatchObject({ tasksAffected: 1, taskIds: [taskIds[1]] });
        expect((await tasks.status(taskIds[0]!)).priority).toBe('lowest');
      },
    },
  },
  refusals: { 'no priority of ours': { call: { body: { newPriority: 'normal' } }, code: 'InputValidationError', says: /newPriority/ } },
});

import { definition, slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => world.group(),
  scopes: ({ params }) => [[`queue:seal-task-group:sched/${params.taskGroupId}`]],
  mayKnow: ({ params }) => `queue:list-task-group:${params.taskGroupId}`,
  check: async ({ body }, { params }, { root, tasks }) => {
    expect(body).toEqual({ ...params, schedulerId: 'sched', expires: expect.any(String), sealed: expect.any(String) });
    expect(await ok(root.get(`/queue/v1/task-group/${params.taskGroupId}`))).toEqual(body);
    expect(await tasks.put(slugid(), definition({ ...params, schedulerId: 'sched' }))).toMatchObject({ status: 409 });
  },
  unknown: () => ({ taskGroupId: slugid() }),
  also: {
    'the same again changes nothing': {
      before: async (call, world) => Object.assign(call, { first: await world.sealGroup(call.params.taskGroupId) }),
      check: ({ body }, call) => expect({ first: body }).toEqual({ first: (call as typeof call & { first: object }).first }),
    },
  },
});

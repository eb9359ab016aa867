import { slugid } from '../../support/api.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => world.group(),
  scopes: ({ params }) => [[`queue:list-task-group:${params.taskGroupId}`]],
  check: ({ body }, { params }) => expect(body).toEqual({ ...params, schedulerId: 'sched', expires: expect.any(String) }),
  unknown: () => ({ taskGroupId: slugid() }),
  also: {
    'a sealed one': {
      before: ({ params }, world) => world.sealGroup(params.taskGroupId),
      check: ({ body }) => expect(body.sealed).toMatch(/^\d{4}-.*Z$/),
    },
  },
});

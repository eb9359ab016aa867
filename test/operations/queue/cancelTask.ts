import { operation } from '../operation.js';
import { steering } from '../steering.js';

export default operation({
  ...steering('cancel-task'),
  arrange: (world) => world.task(),
  check: async ({ body }, { params }, { tasks }) => {
    expect(body.status).toMatchObject({ taskId: params.taskId, state: 'exception', runs: [{ reasonResolved: 'canceled' }] });
    expect(body).toEqual({ status: await tasks.status(params.taskId) });
  },
  also: {
    'a running one, whose worker then has lost it': {
      before: ({ params }, { tasks }) => tasks.claimTask(params.taskId),
      check: async ({ body }, { params }, { tasks }) => {
        expect(body.status).toMatchObject({ state: 'exception', runs: [{ reasonResolved: 'canceled' }] });
        expect(await tasks.reclaim(params.taskId)).toMatchObject({ status: 409 });
      },
    },
    'one that has ended stays as it is': {
      before: ({ params }, { tasks }) => tasks.run('completed', params.taskId),
      check: ({ body }) => expect(body.status).toMatchObject({ state: 'completed', runs: [{ reasonResolved: 'completed' }] }),
    },
  },
  refusals: {
    'its deadline has passed': {
      before: ({ params }, { tasks }) => tasks.pastDeadline(params.taskId),
      code: 'RequestConflict',
      says: /The deadline of task .* has passed/,
    },
  },
});

import { operation } from '../operation.js';
import { steering } from '../steering.js';

export default operation({
  ...steering('schedule-task'),
  arrange: (world) => world.waiting(),
  check: async ({ body }, { params }, { tasks }) => {
    expect(body.status).toMatchObject({ taskId: params.taskId, state: 'pending', runs: [{ runId: 0, reasonCreated: 'scheduled' }] });
    expect(body).toEqual({ status: await tasks.status(params.taskId) });
  },
  also: {
    'one that has runs stays as it is': {
      before: async ({ params }, { tasks }) => {
        await tasks.steer('schedule', params.taskId);
        await tasks.run('completed', params.taskId);
      },
      check: ({ body }) => expect(body.status).toMatchObject({ state: 'completed', runs: [{ runId: 0 }] }),
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

import { operation } from '../operation.js';
import { steering } from '../steering.js';

export default operation({
  ...steering('rerun-task'),
  arrange: async (world) => {
    const task = await world.task();
    await world.tasks.run('failed', task.params.taskId);
    return task;
  },
  check: async ({ body }, { params }, { tasks }) => {
    const runs = [{ state: 'failed' }, { runId: 1, state: 'pending', reasonCreated: 'rerun' }];
    expect(body.status).toMatchObject({ taskId: params.taskId, state: 'pending', runs });
    expect(body).toEqual({ status: await tasks.status(params.taskId) });
  },
  also: {
    'one that runs stays as it is': {
      before: async ({ params }, { tasks }) => {
        await tasks.steer('rerun', params.taskId);
        await tasks.claimTask(params.taskId, 1);
      },
      check: ({ body }) => expect(body.status).toMatchObject({ state: 'running', runs: [{}, { runId: 1 }] }),
    },
  },
  refusals: {
    'its deadline has passed': {
      before: ({ params }, { tasks }) => tasks.pastDeadline(params.taskId),
      code: 'RequestConflict',
      says: /The deadline of task .* has passed/,
    },
    'it has had fifty runs': {
      before: ({ params }, { tasks }) => tasks.alter(params.taskId, 'run_id = 49'),
      code: 'RequestConflict',
      says: /has had 50 runs, the most there can be/,
    },
  },
});

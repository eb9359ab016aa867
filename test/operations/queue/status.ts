import { slugid } from '../../support/api.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => world.task(),
  scopes: ({ params }) => [[`queue:status:${params.taskId}`]],
  check: ({ body }, { params, taskQueueId, taskGroupId }) => {
    const [provisionerId, workerType] = taskQueueId.split('/');
    expect(body.status).toEqual({
      ...{ taskId: params.taskId, provisionerId, workerType, taskQueueId, taskGroupId, schedulerId: 'sched', projectId: 'project' },
      ...{ priority: 'lowest', deadline: expect.any(String), expires: expect.any(String), retriesLeft: 5, state: 'pending' },
      runs: [{ runId: 0, state: 'pending', reasonCreated: 'scheduled', scheduled: expect.any(String) }],
    });
  },
  unknown: () => ({ taskId: slugid() }),
  also: {
    'a running one, with its worker and its lease': {
      before: ({ params }, { tasks }) => tasks.claimTask(params.taskId),
      check: ({ body }) => {
        const run = { runId: 0, state: 'running', workerGroup: 'group', workerId: 'worker', takenUntil: expect.any(String) };
        expect(body.status).toMatchObject({ state: 'running', runs: [run] });
      },
    },
  },
});

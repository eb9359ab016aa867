import { slugid } from '../../support/api.js';
import { operation } from '../operation.js';
import { lostRuns } from '../runs.js';

export default operation({
  arrange: (world) => world.run(),
  scopes: ({ params }) => [[`queue:reclaim-task:${params.taskId}/0`]],
  check: async ({ body }, { params, takenUntil, credentials }, { tasks }) => {
    const status = await tasks.status(params.taskId);
    expect(body).toMatchObject({ status, runId: 0, workerGroup: 'group', workerId: 'worker', fence: 1 });
    expect(Date.parse(body.takenUntil)).toBeGreaterThanOrEqual(Date.parse(takenUntil));
    expect(status.runs).toMatchObject([{ state: 'running', takenUntil: body.takenUntil }]);
    expect(body.credentials.accessToken).not.toBe(credentials.accessToken);
  },
  unknown: () => ({ taskId: slugid() }),
  also: {
    'by the run, with what it was lent': {
      call: ({ credentials }) => ({ as: credentials }),
      check: ({ body }) => expect(body.status.state).toBe('running'),
    },
  },
  refusals: {
    ...lostRuns,
    'its deadline has passed': {
      before: ({ params }, { tasks }) => tasks.pastDeadline(params.taskId),
      code: 'RequestConflict',
      says: /the deadline .* has passed/,
    },
    'it is over, says the run itself': {
      before: ({ params }, { tasks }) => tasks.report('completed', params.taskId),
      call: ({ credentials }) => ({ as: credentials }),
      code: 'RequestConflict',
      says: /cannot be reclaimed: it is completed/,
    },
    'another run': {
      call: async (_, world) => ({ as: (await world.run()).credentials }),
      code: 'InsufficientScopes',
      says: /queue:reclaim-task/,
    },
  },
});

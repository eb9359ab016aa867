import { definition, slugid } from '../../support/api.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ ...(await world.task({ routes: ['a.route'], extra: { of: 'any kind' } })) }),
  scopes: ({ params }) => [[`queue:get-task:${params.taskId}`]],
  check: ({ body }, { taskQueueId, taskGroupId }) => {
    const [provisionerId, workerType] = taskQueueId.split('/');
    const { payload, metadata } = definition();
    const defaults = { dependencies: [], requires: 'all-completed', priority: 'lowest', retries: 5, scopes: [], tags: {} };
    expect(body).toEqual({
      ...defaults,
      ...{ provisionerId, workerType, taskQueueId, taskGroupId, schedulerId: 'sched', projectId: 'project' },
      ...{ payload, metadata, routes: ['a.route'], extra: { of: 'any kind' } },
      ...{ created: expect.any(String), deadline: expect.any(String), expires: expect.any(String) },
    });
  },
  unknown: () => ({ taskId: slugid() }),
});

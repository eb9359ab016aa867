import { keySetOf } from '../../support/key-sets.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { policyPath } from '../world.js';

export default operation({
  arrange: async (world) => {
    const taskQueueId = world.queueId();
    const body = { policy: 'require', keySet: keySetOf(3, { kid: 'one' }, { kid: 'two', taskQueues: ['ops/*'] }) };
    await ok(world.root.put(policyPath(taskQueueId), body));
    return { params: { taskQueueId }, set: body };
  },
  scopes: ({ params }) => [[`queue:get-signature-policy:${params.taskQueueId}`]],
  check: ({ body }, { params, set }) => {
    const [provisionerId, workerType] = params.taskQueueId.split('/');
    const by = { updated: expect.any(String), updatedBy: 'static/root' };
    expect(body).toEqual({ provisionerId, workerType, ...params, ...set, ...by, keySetDigest: expect.stringMatching(/^[0-9a-f]{64}$/) });
  },
  also: {
    'a queue that nobody has set, and that nobody has ever seen': {
      call: { params: { taskQueueId: 'never/seen' } },
      check: ({ body }) => expect(body).toEqual({ provisionerId: 'never', workerType: 'seen', taskQueueId: 'never/seen', policy: 'off' }),
    },
  },
});

import { keySetOf } from '../../support/key-sets.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { policyPath } from '../world.js';

export default operation({
  arrange: async (world) => {
    const [withKeys, without] = [world.queueId(), world.queueId()];
    await ok(world.root.put(policyPath(withKeys), { policy: 'require', keySet: keySetOf(7, {}, {}) }));
    await ok(world.root.put(policyPath(without), { policy: 'warn' }));
    return { params: {}, withKeys, without };
  },
  scopes: () => [['queue:list-signature-policies']],
  check: async ({ body }, { withKeys, without }, { root }) => {
    const { keySet, ...told } = await ok(root.get(policyPath(withKeys)));
    expect(keySet.keys).toHaveLength(2);
    expect(body.signaturePolicies).toContainEqual({ ...told, keySetVersion: 7, keys: 2 });
    expect(body.signaturePolicies).toContainEqual(await ok(root.get(policyPath(without))));
  },
  pages: { list: ({ signaturePolicies }) => signaturePolicies.map(({ taskQueueId }: { taskQueueId: string }) => taskQueueId) },
});

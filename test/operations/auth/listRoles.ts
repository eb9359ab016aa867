import { ok } from '../../support/tasks.js';
import { rolePath } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: {}, roleId: await world.roleId(['a:*']) }),
  scopes: () => [['auth:list-roles']],
  check: async ({ body }, { roleId }, { root }) => {
    expect(body).toContainEqual(await ok(root.get(rolePath(roleId))));
    const ids = body.map((role: { roleId: string }) => role.roleId);
    expect(ids).toEqual([...ids].sort());
  },
});

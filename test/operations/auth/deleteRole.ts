import { ok } from '../../support/tasks.js';
import { rolePath } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: { roleId: await world.roleId(['a']) } }),
  scopes: ({ params }) => [[`auth:delete-role:${params.roleId}`]],
  check: async ({ status }, { params }, { root }) => {
    expect(status).toBe(204);
    expect(await root.get(rolePath(params.roleId))).toMatchObject({ status: 404 });
    const assumed = [`assume:${params.roleId}`];
    expect(await ok(root.post('/auth/v1/scopes/expand', { scopes: assumed }))).toEqual({ scopes: assumed });
  },
  also: { 'one that does not exist': { call: { params: { roleId: 'none-such' } }, check: ({ status }) => expect(status).toBe(204) } },
});

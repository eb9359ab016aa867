import { describedRole } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: { roleId: await world.roleId([`assume:${await world.roleId(['by:role'])}`, 'a:*']) } }),
  scopes: ({ params }) => [[`auth:get-role:${params.roleId}`]],
  check: ({ body }, { params }) => {
    const scopes = ['a:*', expect.stringMatching(/^assume:role/)];
    const expandedScopes = expect.arrayContaining([...scopes, `assume:${params.roleId}`, 'by:role']);
    expect(body).toEqual({ ...describedRole, ...params, scopes, expandedScopes });
  },
  unknown: () => ({ roleId: 'none-such' }),
});

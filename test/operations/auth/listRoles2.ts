import { ok } from '../../support/tasks.js';
import { threeRoles } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => threeRoles(world),
  scopes: () => [['auth:list-roles']],
  check: async ({ body }, { roleIds }, { root }) => {
    expect(body).toEqual({ roles: await ok(root.get('/auth/v1/roles')) });
    const listed = body.roles.map(({ roleId }: { roleId: string }) => roleId);
    expect(listed).toEqual(expect.arrayContaining(roleIds));
  },
  pages: { list: ({ roles }) => roles },
});

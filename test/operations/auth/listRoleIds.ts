import { threeRoles } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => threeRoles(world),
  scopes: () => [['auth:list-roles']],
  check: ({ body }, { roleIds }) => expect(body).toEqual({ roleIds: expect.arrayContaining(roleIds) }),
  pages: { list: ({ roleIds }) => roleIds },
});

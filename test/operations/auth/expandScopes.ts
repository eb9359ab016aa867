import { multiplyNoMore, multiplyRoles } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const roleId = await world.roleId(['by:role', 'more:*']);
    return { body: { scopes: [`assume:${roleId}`, 'more:of:it', 'own'] }, roleId };
  },
  scopes: () => [['auth:expand-scopes']],
  check: ({ body }, { roleId }) => expect(body).toEqual({ scopes: [`assume:${roleId}`, 'by:role', 'more:*', 'own'] }),
  also: { none: { call: { body: { scopes: [] } }, check: ({ body }) => expect(body).toEqual({ scopes: [] }) } },
  refusals: {
    'roles that multiply': {
      before: (_, world) => multiplyRoles(world),
      call: { body: { scopes: ['assume:many0:x'] } },
      code: 'InputError',
      says: /let that role grant less/,
      after: multiplyNoMore,
    },
    'a scope with a space': { call: { body: { scopes: ['a b'] } }, code: 'InputValidationError', says: /scopes must be a scope/ },
    'a scope twice': { call: { body: { scopes: ['a', 'a'] } }, code: 'InputValidationError', says: /scopes must not name anything twice/ },
  },
});

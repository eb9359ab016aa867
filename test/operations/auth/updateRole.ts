import { ok } from '../../support/tasks.js';
import { describedRole, impossibleRoles, rolePath } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({
    params: { roleId: await world.roleId(['kept', 'lost', `assume:${await world.roleId(['by:way'])}`]) },
    body: { description: 'changed', scopes: ['by:way', 'kept', 'new:one', 'new:two*'] },
  }),
  scopes: ({ params }) => [[`auth:update-role:${params.roleId}`, 'new:one', 'new:two*']],
  check: async (answer, { params, body }, { root }) => {
    const expandedScopes = [`assume:${params.roleId}`, ...body.scopes];
    expect(answer.body).toEqual({ ...describedRole, ...params, ...body, expandedScopes });
    expect(await ok(root.get(rolePath(params.roleId)))).toEqual(answer.body);
  },
  unknown: () => ({ roleId: 'none-such' }),
  also: { 'all may be taken away': { call: { body: { scopes: [] } }, check: ({ body }) => expect(body.scopes).toEqual([]) } },
  refusals: {
    ...impossibleRoles,
    'two parameters in one scope': {
      before: async ({ params }, { root }) => ok(root.put(rolePath(`${params.roleId}*`), { description: '', scopes: [] })),
      call: ({ params }) => ({ params: { roleId: `${params.roleId}*` }, body: { scopes: ['a:<..>:<..>'] } }),
      code: 'InputError',
      says: /<\.\.>/,
    },
  },
});

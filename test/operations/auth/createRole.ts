import { ok } from '../../support/tasks.js';
import { describedRole, impossibleRoles, rolePath } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => ({
    params: { roleId: world.name('new-role:') },
    body: { description: 'made by a test', scopes: ['some:thing', 'x:*'] },
  }),
  scopes: ({ params, body }) => [[`auth:create-role:${params.roleId}`, ...body.scopes]],
  check: async (answer, { params, body }, { root }) => {
    const expandedScopes = [`assume:${params.roleId}`, ...body.scopes];
    expect(answer.body).toEqual({ ...describedRole, ...params, scopes: body.scopes, expandedScopes });
    expect(await ok(root.get(rolePath(params.roleId)))).toEqual(answer.body);
  },
  also: {
    'the same again': {
      before: ({ params, body }, { root }) => ok(root.put(rolePath(params.roleId), body)),
      check: ({ body }, { params }) => expect(body).toMatchObject(params),
    },
  },
  refusals: {
    ...impossibleRoles,
    'two parameters in one scope': {
      call: ({ params }) => ({ params: { roleId: `${params.roleId}*` }, body: { scopes: ['a:<..>:<..>'] } }),
      code: 'InputError',
      says: /<\.\.>/,
    },
    'another one of that name exists': {
      before: ({ params }, { root }) => ok(root.put(rolePath(params.roleId), { description: '', scopes: [] })),
      code: 'RequestConflict',
      says: /exists already and is different/,
    },
  },
});

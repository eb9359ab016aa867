import { operation } from '../operation.js';
import type { World } from '../world.js';

/** Roles that multiply without bound; they cannot come about but by somebody who writes the table. */
async function multiply({ test }: World): Promise<void> {
  const roles = Array.from({ length: 26 }, (_, at) => [`many${at}:*`, ['a<..>', 'b<..>'].map((part) => `assume:many${at + 1}:${part}`)]);
  for (const role of roles) await test.database.pool.query(`insert into role (role_id, scopes, description) values ($1, $2, '')`, role);
  await refreshRoles(test);
}

async function refreshRoles({ service, database }: World['test']): Promise<void> {
  const { Registry } = await import('../../../src/service/auth/registry.js');
  await database.pool.query('update auth_version set version = version + 1');
  await service.app.get(Registry).refresh();
}

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
      before: (_, world) => multiply(world),
      call: { body: { scopes: ['assume:many0:x'] } },
      code: 'InputError',
      says: /let that role grant less/,
      after: async ({ test }) => {
        await test.database.pool.query("delete from role where role_id like 'many%'");
        await refreshRoles(test);
      },
    },
    'a scope with a space': { call: { body: { scopes: ['a b'] } }, code: 'InputValidationError', says: /scopes must be a scope/ },
    'a scope twice': { call: { body: { scopes: ['a', 'a'] } }, code: 'InputValidationError', says: /scopes must not name anything twice/ },
  },
});

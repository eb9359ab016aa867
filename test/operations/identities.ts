import { ok } from '../support/tasks.js';
import type { Refusal } from './operation.js';
import type { World } from './world.js';

interface OfClient {
  params: { clientId: string };
}

/** How a client that nobody has changed is described, but for its id and scopes. */
export const describedClient = {
  ...{ description: 'made by a test', deleteOnExpiration: false, disabled: false },
  ...{ expires: expect.any(String), created: expect.any(String), lastModified: expect.any(String) },
  ...{ lastDateUsed: expect.any(String), lastRotated: expect.any(String) },
};

export const clientPath = (clientId: string, verb = '') => `/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;

/** What it answers to its own name and this token: who it is to the service. */
export function whoIs(clientId: string, accessToken: string, { root }: World): Promise<number> {
  const mine = root.as({ clientId, accessToken }).get(clientPath(clientId));
  return mine.then(({ status }) => status);
}

/** A client that may look at itself, and its token. */
export async function selfish(world: World) {
  const clientId = await world.clientId([`auth:get-client:*`]);
  const { accessToken } = await ok(world.root.post(clientPath(clientId, '/reset')));
  return { params: { clientId }, accessToken: accessToken as string };
}

/** The clients of STATIC_CLIENTS, and the names kept for them, are not to be changed. */
export const ofConfiguration: Record<string, Refusal<OfClient>> = Object.fromEntries(
  ['static/root', 'static/none'].map((clientId) => [
    `of configuration: ${clientId}`,
    { call: { params: { clientId } }, code: 'InputError', says: /is kept in the service's configuration/ },
  ]),
);

export const describedRole = { description: 'made by a test', created: expect.any(String), lastModified: expect.any(String) };

export const rolePath = (roleId: string) => `/auth/v1/roles/${encodeURIComponent(roleId)}`;

/** Roles that cannot be. */
export const impossibleRoles: Record<string, Refusal<{ params: { roleId: string } }>> = {
  'scopes in two stars': { call: { body: { scopes: ['a**'] } }, code: 'InputError', says: /a\*\* ends in \*\*/ },
  'a circle': { call: ({ params }) => ({ body: { scopes: [`assume:${params.roleId}`] } }), code: 'InputError', says: /assume/ },
  'a circle of two': {
    call: async ({ params }, world) => ({ body: { scopes: [`assume:${await world.roleId([`assume:${params.roleId}`])}`] } }),
    code: 'InputError',
    says: /assume/,
  },
  'a scope with a space': { call: { body: { scopes: ['a b'] } }, code: 'InputValidationError', says: /scopes must be a scope/ },
};

export async function threeRoles(world: World) {
  const roleIds = await Promise.all([1, 2, 3].map(() => world.roleId(['a:*'])));
  return { params: {}, roleIds };
}

/** Roles that multiply without bound; they cannot come about but by somebody who writes the table. */
export async function multiplyRoles({ test }: World): Promise<void> {
  const roles = Array.from({ length: 26 }, (_, at) => [`many${at}:*`, ['a<..>', 'b<..>'].map((part) => `assume:many${at + 1}:${part}`)]);
  for (const role of roles) await test.database.pool.query(`insert into role (role_id, scopes, description) values ($1, $2, '')`, role);
  await refreshRoles(test);
}

export async function multiplyNoMore({ test }: World): Promise<void> {
  await test.database.pool.query("delete from role where role_id like 'many%'");
  await refreshRoles(test);
}

async function refreshRoles({ service, database }: World['test']): Promise<void> {
  const { Registry } = await import('../../src/service/auth/registry.js');
  await database.pool.query('update auth_version set version = version + 1');
  await service.app.get(Registry).refresh();
}

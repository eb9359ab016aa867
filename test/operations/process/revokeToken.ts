import { claimsOf, tokenOf } from '../../support/task-tokens.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const headers = { 'content-type': 'application/x-www-form-urlencoded' };

const isRevoked = async ({ test }: World, token: string) => {
  const { rows } = await test.database.pool.query('select revoked from task_token where jti = $1', [claimsOf(token).jti]);
  return rows[0].revoked !== null;
};

export default operation({
  arrange: async (world: World) => {
    const { params, credentials } = await world.run();
    const token = await tokenOf(world.root.as(credentials));
    return { body: { token }, headers, as: credentials, run: params, token };
  },
  check: async ({ body, headers }, { token }, world) => {
    expect(body).toEqual({});
    expect(headers['cache-control']).toBe('no-store');
    expect(await isRevoked(world, token)).toBe(true);
  },
  also: {
    'by who may revoke any': {
      call: async (_, { test }) => ({ as: (await test.client('auth:revoke-token')).credentials! }),
      check: async (_, { token }, world) => expect(await isRevoked(world, token)).toBe(true),
    },
    'what is no token': {
      call: { body: { token: 'x' } },
      check: async (_, { token }, world) => expect(await isRevoked(world, token)).toBe(false),
    },
  },
  refusals: {
    nobody: { call: { as: null }, code: 'AuthenticationFailed', says: /Sign the request/ },
    'another run': {
      call: async (_, world) => ({ as: (await world.run({ scopes: ['some:*'] })).credentials }),
      code: 'InputError',
      says: /auth:revoke-token/,
    },
    'a client that may not': {
      call: async (_, { test }) => ({ as: (await test.client('auth:revoke', 'auth:introspect:*')).credentials! }),
      code: 'InputError',
      says: /auth:revoke-token/,
    },
    'no token': { call: { body: { token: '' } }, code: 'InputValidationError', says: /token/ },
    JSON: { call: { headers: { 'content-type': 'application/json' } }, code: 'MalformedPayload', says: /takes a form, not JSON/ },
  },
});

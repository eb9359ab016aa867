import { claimsOf } from '../../support/task-tokens.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const headers = { 'content-type': 'application/x-www-form-urlencoded' };
const PUSH = 'repository:team/app:pull,push';

export default operation({
  arrange: async (world: World) => {
    const { clientId, accessToken } = (await world.test.client('registry:push:team/app')).credentials!;
    const body = { grant_type: 'password', username: clientId, password: accessToken, scope: PUSH, client_id: 'docker' };
    return { body, headers, as: null };
  },
  check: ({ body, headers }, call) => {
    const { token } = body;
    expect(body).toEqual({ token, access_token: token, expires_in: 300, issued_at: expect.any(String), scope: PUSH });
    expect(headers['cache-control']).toBe('no-store');
    const access = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }];
    expect(claimsOf(token)).toMatchObject({ sub: (call.body as { username: string }).username, access });
  },
  also: {
    'by a refresh token': {
      call: async ({ body }, { root }) => {
        const form = { body: { ...body, access_type: 'offline' }, headers };
        const { refresh_token } = (await root.as().request('post', '/registry/token', form)).body;
        return { body: { grant_type: 'refresh_token', refresh_token, username: '', password: '' } };
      },
      check: ({ body }) => {
        expect(body.scope).toBe(PUSH);
        expect(body).not.toHaveProperty('refresh_token');
      },
    },
    'a run signs the form': {
      call: async (_, world) => ({
        body: { username: '', password: '', access_type: 'offline' },
        as: (await world.run({ scopes: ['registry:push:team/*'] })).credentials,
      }),
      check: ({ body }) => {
        expect(body.scope).toBe(PUSH);
        expect(body).not.toHaveProperty('refresh_token');
      },
    },
  },
  refusals: {
    'a wrong password': { call: { body: { password: 'x'.repeat(44) } }, code: 'AuthenticationFailed', says: /No client has this id/ },
    'no password': { call: { body: { password: '' } }, code: 'InputValidationError', says: /username or password is missing/ },
    nobody: { call: { body: { username: '', password: '' } }, code: 'InputValidationError', says: /username or password is missing/ },
    'two credentials': { call: (_, { root }) => ({ as: root.credentials! }), code: 'InputValidationError', says: /send one of them/ },
    'a refresh token that is none': {
      call: { body: { grant_type: 'refresh_token', refresh_token: 'x', username: '', password: '' } },
      code: 'AuthenticationFailed',
      says: /log in again/,
    },
    'no refresh token': { call: { body: { grant_type: 'refresh_token' } }, code: 'InputValidationError', says: /refresh_token is missing/ },
    'another grant': { call: { body: { grant_type: 'authorization_code' } }, code: 'InputError', says: /password or refresh_token/ },
    'another service': { call: { body: { service: 'other' } }, code: 'InputValidationError', says: /service: tokens are for/ },
    'a scope that is none': {
      call: { body: { scope: 'repository:a' } },
      code: 'InputValidationError',
      says: /scope: "repository:a" is none/,
    },
    JSON: { call: { headers: { 'content-type': 'application/json' } }, code: 'MalformedPayload', says: /takes a form, not JSON/ },
  },
});

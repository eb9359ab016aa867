import { claimsOf } from '../../support/task-tokens.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const PULL = 'repository:team/app:pull';
const NOTHING = { access: [] };
const basic = (name: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` });
const wish = (scope: string) => ({ query: { scope } });

export default operation({
  arrange: async (world: World) => {
    const { credentials } = await world.test.client('registry:pull:team/app');
    return { ...wish(PULL), as: credentials! };
  },
  check: ({ body, headers }, { as }) => {
    const { token } = body;
    expect(body).toEqual({ token, access_token: token, expires_in: 300, issued_at: expect.any(String), scope: PULL });
    expect(headers['cache-control']).toBe('no-store');
    const access = [{ type: 'repository', name: 'team/app', actions: ['pull'] }];
    expect(claimsOf(token)).toMatchObject({ sub: as!.clientId, access });
  },
  also: {
    'another repository is not granted, and no refusal': {
      call: wish('repository:team/app2:pull'),
      check: ({ body }) => {
        expect(claimsOf(body.token)).toMatchObject(NOTHING);
        expect(body).not.toHaveProperty('scope');
      },
    },
    'nor is another action': {
      call: wish('repository:team/app:push,delete'),
      check: ({ body }) => expect(claimsOf(body.token)).toMatchObject(NOTHING),
    },
    'nor the catalog': { call: wish('registry:catalog:*'), check: ({ body }) => expect(claimsOf(body.token)).toMatchObject(NOTHING) },
    'nobody is granted nothing': { call: { as: null }, check: ({ body }) => expect(claimsOf(body.token)).toMatchObject(NOTHING) },
    'who only logs in': { call: wish(undefined as never), check: ({ body }) => expect(claimsOf(body.token)).toMatchObject(NOTHING) },
    'by client id and access token, with a refresh token': {
      call: async ({ as }) => ({
        as: null,
        headers: basic(as!.clientId, as!.accessToken),
        query: { offline_token: 'true', account: as!.clientId, client_id: 'docker', service: undefined },
      }),
      check: ({ body }) => expect(body).toMatchObject({ scope: PULL, refresh_token: expect.any(String) }),
    },
  },
  refusals: {
    'a wrong password': {
      call: ({ as }) => ({ as: null, headers: basic(as!.clientId, 'x'.repeat(44)) }),
      code: 'AuthenticationFailed',
      says: /No client has this id/,
    },
    'a client that does not exist': {
      call: { as: null, headers: basic('nobody', 'x'.repeat(44)) },
      code: 'AuthenticationFailed',
      says: /No client has this id/,
    },
    'a forger': { call: ({ as }) => ({ as: { ...as!, accessToken: 'x'.repeat(44) } }), code: 'AuthenticationFailed', says: /Bad mac/ },
    'a run that is over': {
      call: async (_, world) => {
        const { params, credentials } = await world.run({ scopes: ['registry:pull:team/app'] });
        await world.tasks.report('completed', params.taskId);
        return { as: credentials };
      },
      code: 'AuthenticationFailed',
      says: /is completed/,
    },
    'another service': { call: { query: { service: 'other' } }, code: 'InvalidRequestArguments', says: /service: tokens are for/ },
    'a scope that is none': { call: wish('team/app'), code: 'InvalidRequestArguments', says: /scope: "team\/app" is none; send one like/ },
    'a pattern': { call: wish('repository:team/*:pull'), code: 'InvalidRequestArguments', says: /names no repository/ },
    'a name in capitals': { call: wish('repository:team/App:pull'), code: 'InvalidRequestArguments', says: /in lower case/ },
    'too many': { call: wish(`${PULL} `.repeat(17)), code: 'InvalidRequestArguments', says: /ask for 16 at once/ },
  },
});

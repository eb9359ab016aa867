import { claimsOf, exchange, GRANT, TYPE } from '../../support/task-tokens.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const body = { grant_type: GRANT, audience: 'https://api.example.com', scope: 'some:thing' };
const JSON_TYPE = { 'content-type': 'application/json' };

export default operation({
  arrange: async (world: World) => {
    const { params, credentials } = await world.run({ scopes: ['some:*'] });
    return { body, headers: FORM, as: credentials, run: params };
  },
  check: ({ body, headers }, { run }) => {
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: TYPE('access_token'),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'some:thing',
    });
    expect(headers['cache-control']).toBe('no-store');
    expect(claimsOf(body.access_token)).toMatchObject({
      sub: `task-run:${run.taskId}/0`,
      aud: 'https://api.example.com',
      scope: 'some:thing',
    });
  },
  also: {
    'an identity': {
      call: { body: { requested_token_type: TYPE('id_token'), scope: '' } },
      check: ({ body }) => expect(body).toMatchObject({ issued_token_type: TYPE('id_token'), token_type: 'N_A' }),
    },
    'parameters that are not known are ignored': {
      call: { body: { client_note: 'x', options: '{}' } },
      check: ({ status }) => expect(status).toBe(200),
    },
  },
  refusals: {
    nobody: { call: { as: null }, code: 'AuthenticationFailed', says: /run's credentials/ },
    'a client that is no run': { call: (_, { root }) => ({ as: root.credentials! }), code: 'InputError', says: /Only runs/ },
    'a scope that the run does not hold': {
      call: { body: { scope: 'some:thing other' } },
      code: 'InputError',
      says: /does not hold these scopes: other/,
    },
    'no audience': { call: { body: { audience: '' } }, code: 'InputValidationError', says: /audience/ },
    'another grant': { call: { body: { grant_type: 'client_credentials' } }, code: 'InputError', says: /grant_type/ },
    JSON: { call: { headers: JSON_TYPE }, code: 'MalformedPayload', says: /takes a form, not JSON/ },
    'a run that is over': {
      call: async (_, world) => {
        const { params, credentials } = await world.run();
        await world.tasks.report('completed', params.taskId);
        return { as: credentials };
      },
      code: 'AuthenticationFailed',
      says: /is completed/,
    },
    'a token in the header': {
      call: async (call, { root }) => {
        const { body } = await exchange(root.as(call.as!), { audience: 'https://tasks.example.com' });
        return { as: null, headers: { authorization: `Bearer ${body.access_token}` } };
      },
      code: 'AuthenticationFailed',
      says: /as subject_token/,
    },
  },
});

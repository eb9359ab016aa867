import { tokenOf } from '../../support/task-tokens.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const headers = { 'content-type': 'application/x-www-form-urlencoded' };
const AUDIENCE = 'https://api.example.com';
const INACTIVE = { active: false };

export default operation({
  arrange: async (world: World) => {
    const { params, credentials } = await world.run({ scopes: ['some:*'] });
    const token = await tokenOf(world.root.as(credentials), { audience: AUDIENCE, scope: 'some:thing' });
    const { credentials: as } = await world.test.client(`auth:introspect:${AUDIENCE}`);
    return { body: { token }, headers, as: as!, run: params, credentials };
  },
  check: ({ body, headers }, { run }) => {
    const claims = { aud: AUDIENCE, scope: 'some:thing', token_type: 'Bearer', fence: 1, worker: 'group/worker', task: run.taskId, run: 0 };
    expect(body).toMatchObject({ active: true, ...claims, sub: `task-run:${run.taskId}/0` });
    expect(headers['cache-control']).toBe('no-store');
  },
  also: {
    'its run asks': { call: ({ credentials }) => ({ as: credentials }), check: ({ body }) => expect(body.active).toBe(true) },
    'another run asks': {
      call: async (_, world) => ({ as: (await world.run({ scopes: ['some:*'] })).credentials }),
      check: ({ body }) => expect(body).toEqual(INACTIVE),
    },
    'who asks serves another audience': {
      call: async (_, { test }) => ({ as: (await test.client(`auth:introspect:${AUDIENCE}/x`, 'auth:introspect:x*')).credentials! }),
      check: ({ body }) => expect(body).toEqual(INACTIVE),
    },
    'it is no token': { call: { body: { token: 'x' } }, check: ({ body }) => expect(body).toEqual(INACTIVE) },
    'its run has ended': {
      before: ({ run }, { tasks }) => tasks.report('completed', run.taskId),
      check: ({ body }) => expect(body).toEqual(INACTIVE),
    },
    'its lease has lapsed, and no sweep has seen it': {
      before: ({ run }, { tasks }) => tasks.lapse(run.taskId),
      check: ({ body }) => expect(body).toEqual(INACTIVE),
    },
  },
  refusals: {
    nobody: { call: { as: null }, code: 'AuthenticationFailed', says: /Sign the request/ },
    'a forger': { call: ({ as }) => ({ as: { ...as, accessToken: 'x'.repeat(44) } }), code: 'AuthenticationFailed', says: /Bad mac/ },
    'no token': { call: { body: { token: '' } }, code: 'InputValidationError', says: /token/ },
    JSON: { call: { headers: { 'content-type': 'application/json' } }, code: 'MalformedPayload', says: /takes a form, not JSON/ },
    'no form': {
      call: { headers: { 'content-type': 'text/plain' }, body: Buffer.from('token=x') },
      code: 'MalformedPayload',
      says: /needs a form/,
    },
  },
});

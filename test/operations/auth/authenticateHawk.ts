import { authorizationHeader } from '../../../src/credentials/hawk.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const TARGET = { method: 'get', resource: '/somewhere?x=1', host: 'service.example.com', port: 443 };

function signed({ root }: World, accessToken = root.credentials!.accessToken): string {
  const credentials = { ...root.credentials!, accessToken };
  return authorizationHeader(credentials, { ...TARGET, method: 'GET' }, { nowMs: Date.now(), nonce: 'abcdef' });
}

export default operation({
  arrange: (world) => ({ body: { ...TARGET, authorization: signed(world) } }),
  check: ({ body }) => {
    expect(body).toMatchObject({ status: 'auth-success', scheme: 'hawk', clientId: 'static/root', scopes: ['*'] });
  },
  also: {
    'nobody signed': {
      call: { body: { authorization: undefined } },
      check: ({ body }) => expect(body).toMatchObject({ status: 'no-auth', scheme: 'none', scopes: ['assume:anonymous'] }),
    },
    'a forger signed': {
      call: (_, world) => ({ body: { authorization: signed(world, 'x'.repeat(44)) } }),
      check: ({ body }) => expect(body).toEqual({ status: 'auth-failed', message: 'Unauthorized: Bad mac' }),
    },
    'who asks is not looked at': {
      call: { as: { clientId: 'nobody', accessToken: 'x'.repeat(44) } },
      check: ({ body }) => expect(body.status).toBe('auth-success'),
    },
  },
  refusals: {
    'a method in capitals': { call: { body: { method: 'GET' } }, code: 'InputValidationError', says: /method/ },
    'a host that is none': { call: { body: { host: 'a b' } }, code: 'InputValidationError', says: /host must be/ },
    'a port beyond all ports': { call: { body: { port: 65_536 } }, code: 'InputValidationError', says: /port/ },
  },
});

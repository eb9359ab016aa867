import { operation } from '../operation.js';

const TESTER = { clientId: 'tester', accessToken: 'no-secret' };

/** Its scopes and its only client come with the request, so the usual checks of callers do not fit. */
export default operation({
  arrange: () => ({ as: TESTER, body: { clientScopes: ['test:*'], requiredScopes: ['test:this'] } }),
  check: ({ body }) => expect(body).toEqual({ clientId: 'tester', scopes: ['assume:anonymous', 'test:*'] }),
  also: {
    'absent lists are empty': {
      call: { body: { clientScopes: undefined, requiredScopes: undefined } },
      check: ({ body }) => expect(body).toEqual({ clientId: 'tester', scopes: ['assume:anonymous'] }),
    },
  },
  refusals: {
    'a scope is missing': {
      call: { body: { requiredScopes: ['test:this', 'other'] } },
      code: 'InsufficientScopes',
      says: /Missing:\s+```\s+"other"/,
    },
    nobody: { call: { as: null }, code: 'InsufficientScopes', says: /without credentials/ },
    'a forger': { call: { as: { ...TESTER, accessToken: 'secret' } }, code: 'AuthenticationFailed', says: /Bad mac/ },
    'any other client': {
      call: (_, { root }) => ({ as: root.credentials! }),
      code: 'AuthenticationFailed',
      says: /Client with clientId 'static\/root' not found/,
    },
  },
});

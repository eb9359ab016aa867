import { operation } from '../operation.js';

const TESTER = { clientId: 'tester', accessToken: 'no-secret' };

/** Its only client has the scope that it requires, so the usual checks of callers do not fit. */
export default operation({
  arrange: () => ({ as: TESTER }),
  check: ({ body }) => {
    expect(body).toEqual({ clientId: 'tester', scopes: ['assume:anonymous', 'auth:create-client:test:*', 'test:*'] });
  },
  refusals: {
    nobody: { call: { as: null }, code: 'InsufficientScopes', says: /without credentials/ },
    'a forger': { call: { as: { ...TESTER, accessToken: 'secret' } }, code: 'AuthenticationFailed', says: /Bad mac/ },
    'any other client': {
      call: (_, { root }) => ({ as: root.credentials! }),
      code: 'AuthenticationFailed',
      says: /Client with clientId 'static\/root' not found/,
    },
  },
});

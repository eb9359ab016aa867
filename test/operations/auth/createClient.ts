import { ok } from '../../support/tasks.js';
import { clientPath, describedClient, ofConfiguration, whoIs } from '../identities.js';
import { operation } from '../operation.js';
import { soon } from '../world.js';

export default operation({
  arrange: (world) => ({
    params: { clientId: `ops/${world.name('new')}` },
    body: { expires: soon(), description: 'made by a test', scopes: ['some:thing', 'x:*', 'auth:get-client:*'] },
  }),
  scopes: ({ params, body }) => [[`auth:create-client:${params.clientId}`, ...body.scopes]],
  check: async ({ body }, { params, body: wish }, world) => {
    const { accessToken, ...client } = body;
    const { expires, scopes } = wish;
    expect(client).toEqual({ ...describedClient, ...params, expires, scopes, expandedScopes: [...scopes].sort() });
    expect(accessToken).toMatch(/^[A-Za-z0-9_-]{44}$/);
    expect(await whoIs(params.clientId, accessToken, world)).toBe(200);
  },
  also: {
    'without scopes': { call: { body: { scopes: undefined } }, check: ({ body }) => expect(body.scopes).toEqual([]) },
  },
  refusals: {
    ...ofConfiguration,
    'it exists': {
      before: ({ params, body }, { root }) => ok(root.put(clientPath(params.clientId), body)),
      code: 'RequestConflict',
      says: /exists already/,
    },
    'scopes in two stars': { call: { body: { scopes: ['a**'] } }, code: 'InputError', says: /a\*\* ends in \*\*/ },
    'a scope with a space': { call: { body: { scopes: ['a b'] } }, code: 'InputValidationError', says: /scopes must be a scope/ },
    'a scope twice': { call: { body: { scopes: ['a', 'a'] } }, code: 'InputValidationError', says: /scopes must not name anything twice/ },
    'a time that is none': { call: { body: { expires: 'never' } }, code: 'InputValidationError', says: /expires must be an RFC 3339/ },
    'a novel': { call: { body: { description: 'x'.repeat(10_241) } }, code: 'InputValidationError', says: /description/ },
  },
});

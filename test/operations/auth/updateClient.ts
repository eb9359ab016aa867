import { ok } from '../../support/tasks.js';
import { clientPath, describedClient, ofConfiguration } from '../identities.js';
import { operation } from '../operation.js';
import { soon } from '../world.js';

export default operation({
  arrange: async (world) => ({
    params: { clientId: await world.clientId(['kept', 'lost']) },
    body: { expires: soon(7_200_000), description: 'changed', deleteOnExpiration: true, scopes: ['kept', 'new:one', 'new:two*'] },
  }),
  scopes: ({ params }) => [[`auth:update-client:${params.clientId}`, 'new:one', 'new:two*']],
  check: async (answer, { params, body }, { root }) => {
    expect(answer.body).toEqual({ ...describedClient, ...params, ...body, expandedScopes: body.scopes });
    expect(await ok(root.get(clientPath(params.clientId)))).toEqual(answer.body);
  },
  unknown: () => ({ clientId: 'nobody' }),
  also: {
    'absent scopes stay': {
      call: { body: { scopes: undefined } },
      check: ({ body }) => expect(body).toMatchObject({ description: 'changed', scopes: ['kept', 'lost'] }),
    },
    'all scopes may be taken away': { call: { body: { scopes: [] } }, check: ({ body }) => expect(body.scopes).toEqual([]) },
  },
  refusals: {
    ...ofConfiguration,
    'scopes in two stars': { call: { body: { scopes: ['a**'] } }, code: 'InputError', says: /a\*\* ends in \*\*/ },
    'a scope with a space': { call: { body: { scopes: ['a b'] } }, code: 'InputValidationError', says: /scopes must be a scope/ },
  },
});

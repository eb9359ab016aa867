import { ok } from '../../support/tasks.js';
import { describedClient } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: { clientId: await world.clientId([`assume:${await world.roleId(['by:role'])}`, 'a:*']) } }),
  scopes: ({ params }) => [[`auth:get-client:${params.clientId}`]],
  check: ({ body }, { params }) => {
    const scopes = [expect.stringMatching(/^assume:role/), 'a:*'];
    const expandedScopes = ['a:*', expect.stringMatching(/^assume:role/), 'by:role'];
    expect(body).toEqual({ ...describedClient, ...params, scopes, expandedScopes });
  },
  unknown: () => ({ clientId: 'nobody' }),
  also: {
    'of configuration': {
      call: { params: { clientId: 'static/root' } },
      check: ({ body }) => expect(body).toMatchObject({ clientId: 'static/root', scopes: ['*'], disabled: false }),
    },
    'whoever is disabled is described all the same': {
      before: ({ params }, { root }) => ok(root.post(`/auth/v1/clients/${encodeURIComponent(params.clientId)}/disable`)),
      check: ({ body }) => expect(body.disabled).toBe(true),
    },
  },
});

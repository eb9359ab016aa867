import { ok } from '../../support/tasks.js';
import { clientPath, ofConfiguration, selfish, whoIs } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const client = await selfish(world);
    await ok(world.root.post(clientPath(client.params.clientId, '/disable')));
    return client;
  },
  scopes: ({ params }) => [[`auth:enable-client:${params.clientId}`]],
  check: async ({ body }, { params, accessToken }, world) => {
    expect(body).toMatchObject({ ...params, disabled: false });
    expect(await whoIs(params.clientId, accessToken, world)).toBe(200);
  },
  unknown: () => ({ clientId: 'nobody' }),
  also: {
    'the same again': {
      before: ({ params }, { root }) => ok(root.post(clientPath(params.clientId, '/enable'))),
      check: ({ body }) => expect(body.disabled).toBe(false),
    },
  },
  refusals: ofConfiguration,
});

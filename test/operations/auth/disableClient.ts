import { ok } from '../../support/tasks.js';
import { clientPath, ofConfiguration, selfish, whoIs } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => selfish(world),
  scopes: ({ params }) => [[`auth:disable-client:${params.clientId}`]],
  check: async ({ body }, { params, accessToken }, world) => {
    expect(body).toMatchObject({ ...params, disabled: true });
    expect(await whoIs(params.clientId, accessToken, world)).toBe(401);
  },
  unknown: () => ({ clientId: 'nobody' }),
  also: {
    'the same again': {
      before: ({ params }, { root }) => ok(root.post(clientPath(params.clientId, '/disable'))),
      check: ({ body }) => expect(body.disabled).toBe(true),
    },
  },
  refusals: ofConfiguration,
});

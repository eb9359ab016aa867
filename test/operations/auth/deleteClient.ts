import { clientPath, ofConfiguration, selfish, whoIs } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => selfish(world),
  scopes: ({ params }) => [[`auth:delete-client:${params.clientId}`]],
  check: async ({ status }, { params, accessToken }, world) => {
    expect(status).toBe(204);
    expect(await whoIs(params.clientId, accessToken, world)).toBe(401);
    expect(await world.root.get(clientPath(params.clientId))).toMatchObject({ status: 404 });
  },
  also: {
    'one that does not exist': { call: { params: { clientId: 'nobody' } }, check: ({ status }) => expect(status).toBe(204) },
  },
  refusals: ofConfiguration,
});

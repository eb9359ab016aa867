import { ofConfiguration, selfish, whoIs } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: (world) => selfish(world),
  scopes: ({ params }) => [[`auth:reset-access-token:${params.clientId}`]],
  check: async ({ body }, { params, accessToken }, world) => {
    expect(body).toMatchObject({ ...params, accessToken: expect.stringMatching(/^[A-Za-z0-9_-]{44}$/) });
    expect(await whoIs(params.clientId, accessToken, world)).toBe(401);
    expect(await whoIs(params.clientId, body.accessToken, world)).toBe(200);
  },
  unknown: () => ({ clientId: 'nobody' }),
  refusals: ofConfiguration,
});

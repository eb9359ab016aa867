import { ok } from '../../support/tasks.js';
import { active, describedKey, inState, listed, publishedKids } from '../keys.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: { alg: 'ES256' }, former: await active(world) }),
  scopes: () => [['auth:rotate-keys:ES256']],
  check: async ({ body }, { former }, world) => {
    expect(body).toMatchObject({ ...describedKey, alg: 'ES256', state: 'next' });
    expect(await publishedKids(world)).toEqual(expect.arrayContaining([former, body.kid]));
    const keys = await listed(world);
    expect([inState(keys, 'active'), inState(keys, 'next')]).toEqual([former, body.kid]);
  },
  also: {
    'the other algorithm': {
      before: (_, world) => active(world, 'RS256'),
      call: { params: { alg: 'RS256' } },
      check: ({ body }) => expect(body).toMatchObject({ alg: 'RS256', state: 'next', publicJwk: { kty: 'RSA' } }),
    },
  },
  refusals: {
    'a rotation is under way': {
      before: (_, { root }) => ok(root.post('/auth/v1/keys/ES256/rotate')),
      ...{ code: 'RequestConflict', says: /A rotation of ES256 is under way: [\w-]{43} is published, and signs from \S+Z on/ },
    },
  },
});

import { ok } from '../../support/tasks.js';
import { active, describedKey, inState, listed, publishedKids } from '../keys.js';
import { operation } from '../operation.js';

const path = (kid: string) => `/auth/v1/keys/${kid}/compromise`;

export default operation({
  arrange: async (world) => ({ params: { kid: await active(world) } }),
  scopes: ({ params }) => [[`auth:compromise-key:${params.kid}`]],
  check: async ({ body }, { params: { kid } }, world) => {
    expect(body).toMatchObject({ ...describedKey, kid, state: 'compromised', compromised: expect.any(String) });
    expect(await publishedKids(world)).not.toContain(kid);
    const signs = inState(await listed(world), 'active');
    expect(signs).toMatch(/^[\w-]{43}$/);
    expect(await publishedKids(world)).toContain(signs);
  },
  unknown: () => ({ kid: 'x'.repeat(43) }),
  also: {
    'the same again': {
      before: ({ params }, { root }) => ok(root.post(path(params.kid))),
      check: ({ body }, { params }) => expect(body).toMatchObject({ ...params, state: 'compromised' }),
    },
    'one that was about to sign: the former one goes on': {
      before: (_, { root }) => ok(root.post('/auth/v1/keys/ES256/rotate')),
      call: async (_, world) => ({ params: { kid: inState(await listed(world), 'next') } }),
      check: async (_, __, world) => {
        const keys = await listed(world);
        expect(inState(keys, 'active')).toMatch(/^[\w-]{43}$/);
        expect(keys.find(({ kid }) => kid === inState(keys, 'active'))).not.toHaveProperty('retiredAt');
        expect(inState(keys, 'next')).toBe('');
      },
    },
  },
});

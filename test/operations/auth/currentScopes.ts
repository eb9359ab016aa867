import { operation } from '../operation.js';

export default operation({
  arrange: () => ({}),
  scopes: () => [['auth:current-scopes']],
  check: ({ body }) => expect(body).toEqual({ scopes: ['assume:anonymous', 'auth:current-scopes'] }),
  also: {
    'of a run: what its task may do': {
      call: async (_, world) => ({ as: (await world.run({ scopes: ['auth:current-scopes', 'some:thing'] })).credentials }),
      check: ({ body }) => {
        expect(body.scopes).toEqual(expect.arrayContaining(['some:thing', expect.stringMatching(/^assume:task-run:/)]));
        expect(body.scopes).not.toContain('*');
      },
    },
  },
});

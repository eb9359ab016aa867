import { operation } from '../operation.js';

export default operation({
  arrange: () => ({}),
  scopes: () => [['purge-cache:all-purge-requests']],
  check: ({ body }) => expect(body).toEqual({ requests: [] }),
  pages: null,
});

import { operation } from '../operation.js';
import { PAST } from '../world.js';

export default operation({
  arrange: (world) => ({ params: { workerPoolId: world.queueId() } }),
  scopes: ({ params }) => [[`purge-cache:purge-requests::${params.workerPoolId}`]],
  check: ({ body }) => expect(body).toEqual({ requests: [] }),
  also: { 'since a time': { call: { query: { since: PAST } }, check: ({ body }) => expect(body).toEqual({ requests: [] }) } },
  refusals: {
    'since no time': { call: { query: { since: 'yesterday' } }, code: 'InvalidRequestArguments', says: /since must be an RFC 3339/ },
  },
});

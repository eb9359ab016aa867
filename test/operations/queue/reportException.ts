import { operation } from '../operation.js';
import { reporting } from '../runs.js';

const exception = reporting('malformed-payload', 'internal-error');

export default operation({
  ...exception,
  arrange: async (world) => ({ ...(await world.run()), body: { reason: 'malformed-payload' } }),
  also: {
    ...exception.also,
    'worker-shutdown is tried again': {
      call: { body: { reason: 'worker-shutdown' } },
      check: ({ body }) => {
        const runs = [{ reasonResolved: 'worker-shutdown' }, { runId: 1, state: 'pending', reasonCreated: 'retry' }];
        expect(body.status).toMatchObject({ state: 'pending', retriesLeft: 4, runs });
      },
    },
  },
  refusals: {
    ...exception.refusals,
    'a reason that is not the worker’s to give': {
      call: { body: { reason: 'canceled' } },
      code: 'InputValidationError',
      says: /reason/,
    },
  },
});

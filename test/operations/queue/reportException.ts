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
    'a signature that is not why': {
      call: { body: { signature: { code: 'signature-expired' } } },
      ...{ code: 'InputError', says: /not malformed-payload; leave it out/ },
    },
    'no word of what is wrong with the signature': {
      call: { body: { reason: 'signature-invalid' } },
      ...{ code: 'InputError', says: /needs `signature`/ },
    },
    'a reason that is not the worker’s to give': {
      call: { body: { reason: 'canceled' } },
      code: 'InputValidationError',
      says: /reason/,
    },
  },
});

import fc from 'fast-check';
import { endingOf } from './follow-task.js';

const RUN = { taskId: 'fN1SbArXTPSVFNUvaOlinQ', runId: 1 };
const status = (...runs: object[]) => JSON.stringify({ version: 1, status: { runs } });

it.each([
  [status({ state: 'exception', reasonResolved: 'claim-expired' }, { state: 'running' }), undefined],
  [status({ state: 'running' }), undefined],
  [status({}, { state: 'exception', reasonResolved: 'canceled' }), 'canceled'],
  [status({}, { state: 'completed' }), 'completed'],
])('%s ends the run by %s', (data, ending) => {
  expect(endingOf(data, RUN)).toBe(ending);
});

it('whatever else is told ends nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (data) => {
      expect(endingOf(data, RUN)).toBeUndefined();
    }),
  );
});

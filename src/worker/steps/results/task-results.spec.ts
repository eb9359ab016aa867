import fc from 'fast-check';
import { STEP_REASONS, type StepReason } from '../job.js';
import { taskResults } from './task-results.js';

const step = (name: string, results: Record<string, string>, reason: StepReason = 'Completed') => ({ name, reason, results });

it('36: of two steps that leave the same result the last one that completed counts, and it is told which that was', () => {
  const steps = [
    step('a', { x: '1', y: '1' }),
    step('b', { x: '2' }),
    step('c', { x: '3' }, 'Failed'),
    step('d', { z: '4' }, 'TimeoutExceeded'),
  ];
  expect(taskResults(steps)).toEqual({ x: { step: 'b', value: '2' }, y: { step: 'a', value: '1' } });
});

it('36: whatever steps there are, each result is that of the last step that completed and has it', () => {
  const results = fc.dictionary(fc.constantFrom('x', 'y', 'constructor'), fc.string(), { maxKeys: 3, noNullPrototype: true });
  const record = fc.record({ name: fc.constantFrom('a', 'b', 'c'), reason: fc.constantFrom(...STEP_REASONS), results });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), (steps) => {
      const found = taskResults(steps);
      for (const name of ['x', 'y', 'constructor']) {
        const last = steps.findLast((one) => one.reason === 'Completed' && Object.hasOwn(one.results, name));
        expect(Object.hasOwn(found, name) ? found[name] : undefined).toEqual(last && { step: last.name, value: last.results[name] });
      }
    }),
  );
});

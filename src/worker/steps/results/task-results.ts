import type { Outcome, StepRecord } from '../job.js';

/**
 * Results of the task: of each name that of the last step that completed and left it, and which step that was (36). What a step
 * left that failed is in its own record.
 */
export function taskResults(steps: readonly Pick<StepRecord, 'name' | 'reason' | 'results'>[]): Outcome['results'] {
  const completed = steps.filter(({ reason }) => reason === 'Completed');
  return Object.fromEntries(
    completed.flatMap(({ name: step, results }) => Object.entries(results).map(([name, value]) => [name, { step, value }])),
  );
}

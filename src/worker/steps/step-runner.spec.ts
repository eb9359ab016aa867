import { jest } from '@jest/globals';
import { StepPlan } from '../payload/step-plan.js';
import type { IsolationName } from '../sandbox/isolation.js';
import { type RunnerParts, StepRunner } from './step-runner.js';
import { TaskSteps } from './task-steps.js';

/** Of a task without steps, at the end of which the program in /tekton/tools is the one that it was, or not. */
async function outcomeOf(name: IsolationName, isEntrypointIntact: boolean) {
  const parts = { job: {}, directory: { control: { isEntrypointIntact } }, isolation: { name }, log: {} };
  const runner = new StepRunner(parts as unknown as RunnerParts);
  const { outcome } = await new TaskSteps({ plan: new StepPlan([]), runner, tell: async () => {}, log: parts.log as never }).run();
  return outcome;
}

it('(9) a task whose sandboxes may have begun with another program is not judged; without sandboxes that is only told', async () => {
  const diagnosed = jest.spyOn(console, 'error').mockImplementation(() => {});
  expect([await outcomeOf('bubblewrap', true), diagnosed.mock.calls.length]).toEqual(['succeeded', 0]);
  expect([await outcomeOf('bubblewrap', false), diagnosed.mock.calls.length]).toEqual(['broken', 1]);
  expect([await outcomeOf('none', false), diagnosed.mock.calls]).toEqual([
    'succeeded',
    [['A step has changed the program in /tekton/tools'], ['A step has changed the program in /tekton/tools']],
  ]);
  diagnosed.mockRestore();
});

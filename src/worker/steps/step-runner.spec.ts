import { jest } from '@jest/globals';
import { StepPlan } from '../payload/step-plan.js';
import type { IsolationName } from '../sandbox/isolation.js';
import { type RunnerParts, reasonOf, StepRunner } from './step-runner.js';
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

it('(22) a step was ended for want of memory if SIGKILL ended it while the kernel did such a thing, and nobody else stopped it', () => {
  const reason = (exitCode: number, outOfMemory: boolean, stoppedBy?: 'Cancelled') =>
    reasonOf({ end: { exitCode, finishedAt: new Date() }, outOfMemory, stoppedBy });
  expect([reason(137, true), reason(137, false), reason(1, true), reason(0, true), reason(137, true, 'Cancelled')]).toEqual([
    'OOMKilled',
    'Failed',
    'Failed',
    'Completed',
    'Cancelled',
  ]);
});

it('a step that is begun while the log is slow can be stopped', async () => {
  const record = { name: 'a', results: {}, missing: {} };
  const watch = { stop: jest.fn(), kill: jest.fn() };
  const runner = {
    isIntact: true,
    watch: undefined as typeof watch | undefined,
    run: async () => {
      runner.watch = watch;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return { ...record, reason: watch.stop.mock.calls.length > 0 ? 'Cancelled' : 'Completed' };
    },
  };
  const log = { note: () => new Promise((resolve) => setTimeout(resolve, 100)) };
  const steps = [{ name: 'a', when: { status: 'success', all: [] }, onError: 'stopAndFail' }];
  const parts = { plan: new StepPlan(steps as never), runner: runner as never, tell: async () => {}, log: log as never };
  const task = new TaskSteps(parts);
  const over = task.run();
  task.stop({ order: 'stop', reason: 'cancelled', cleanUp: 0 });
  expect(await over).toMatchObject({ outcome: 'stopped', steps: [{ reason: 'Cancelled' }] });
  expect(watch.stop.mock.calls).toEqual([['Cancelled']]);
});

import { createInterface } from 'node:readline';
import { StepPlan } from '../payload/step-plan.js';
import { closeInherited } from '../sandbox/close-inherited.js';
import { isolationOf } from '../sandbox/isolation-of.js';
import type { Job, Order, Outcome } from './job.js';
import { Outlet } from './output/outlet.js';
import { TaskLog } from './output/task-log.js';
import { StepRunner } from './step-runner.js';
import { TaskDirectory } from './task-directory.js';
import { TaskSteps } from './task-steps.js';

/*
 * The program that runs the steps of one task, outside of their sandboxes (`job.ts` has what it is told and tells). Where steps are isolated
 * it is process 1 of its own namespace: when it ends, however it does, the kernel ends all that it started. It reads no variables of the
 * environment, and runs nothing that is in the workspace.
 */

const LOG = 1;
const TOLD = 3;

closeInherited([TOLD]);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {}); // the worker says when to stop

const log = new TaskLog(new Outlet(LOG, () => process.exit(1)));
const told = new Outlet(TOLD, () => process.exit(1));
const lines = createInterface({ input: process.stdin });
lines.once('line', (first) => {
  const job = JSON.parse(first) as Job;
  const steps = stepsOf(job);
  lines.on('line', (line) => steps?.stop(JSON.parse(line) as Order));
  void finish(steps?.run());
});
lines.on('close', () => process.exit(1)); // the worker is dead, so nobody keeps the claim

function stepsOf(job: Job): TaskSteps | undefined {
  try {
    const directory = new TaskDirectory(job);
    const runner = new StepRunner({ job, directory, isolation: isolationOf(job.isolation, job.sandbox, directory.creds), log });
    process.on('exit', () => runner.watch?.kill('Cancelled')); // without isolation nobody else would
    return new TaskSteps({ plan: new StepPlan(job.payload.steps), runner, tell: (what) => told.tell(what), log });
  } catch (error) {
    console.error(`The steps could not be begun: ${(error as Error).message}`);
    return undefined;
  }
}

async function finish(run: Promise<Outcome> | undefined): Promise<void> {
  const outcome: Outcome = (await run) ?? { outcome: 'broken', steps: [], results: {} };
  await told.tell({ told: 'done', outcome });
  process.exit(0);
}

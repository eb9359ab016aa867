import { createArtifactScope, type HeldRun, isWorkerIdentity, ownRunScopes, runRole } from './run-grant.js';

/** A scope that holding a run gives, and why. */
export interface RunGiven {
  scope: string;
  /** Every run has its own; task.scopes say the others, and those that name the worker are rewritten to the run. */
  by: 'run' | 'task.scopes' | 'rewrite';
  /** What task.scopes say, where it was rewritten. */
  from?: string;
}

/** The scopes of `runScopes`, one by one, each with what gives it. The run's role stands there once more for each scope that became it. */
export function runGivens(run: Omit<HeldRun, 'takenUntil'>): RunGiven[] {
  const own = [runRole(run), ...ownRunScopes(run), createArtifactScope(run)];
  const said = [...new Set(run.taskScopes)].filter((scope) => !own.includes(scope));
  return [
    ...own.map((scope): RunGiven => ({ scope, by: 'run' })),
    ...said.map((scope): RunGiven => (isWorkerIdentity(scope, run) ? rewritten(scope, run) : { scope, by: 'task.scopes' })),
  ];
}

function rewritten(from: string, run: Omit<HeldRun, 'takenUntil'>): RunGiven {
  return { scope: runRole(run), by: 'rewrite', from };
}

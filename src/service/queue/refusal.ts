import { ApiError } from '../http/api-error.js';
import type { TaskRow } from './sql/task-columns.js';

type Attempted = 'claimed' | 'reclaimed' | 'resolved' | 'reported on';

/** Why a run could not be claimed, reclaimed or resolved: it does not exist (404), or what became of it (409). */
export function refusalOf(task: TaskRow, runId: number, attempted: Attempted): ApiError {
  const name = `Run ${runId} of task ${task.taskId}`;
  if (task.runId === null || runId > task.runId) return new ApiError('ResourceNotFound', `${name} does not exist`);
  return new ApiError('RequestConflict', `${name} cannot be ${attempted}: ${reasonOf(task, runId, attempted)}`);
}

function reasonOf(task: TaskRow, runId: number, attempted: Attempted): string {
  const past = task.pastRuns?.find((run) => run.runId === runId);
  if (past) return `it is ${ended(past)}, and the task has gone on to run ${task.runId}`;
  if (task.state !== 'running' && task.state !== 'pending') return `it is ${ended(task)}`;
  // a run may be resolved and reported on after the deadline, so that is never the reason why not
  if (task.pastDeadline && (attempted === 'claimed' || attempted === 'reclaimed'))
    return `the deadline ${task.deadline.toISOString()} has passed`;
  if (task.state === 'pending' && attempted === 'claimed') return 'its worker did not know a key; it is given out again in some seconds';
  if (task.state === 'pending') return 'it is pending; claim it first';
  const takenUntil = task.takenUntil?.toISOString();
  if (task.lapsed) return `its lease lapsed at ${takenUntil} (claim-expired)`;
  return `it is claimed by worker ${task.workerGroup}/${task.workerId} until ${takenUntil}`;
}

function ended({ state, reasonResolved }: { state: string; reasonResolved: string | null }): string {
  return reasonResolved === null || reasonResolved === state ? state : `${state} (${reasonResolved})`;
}

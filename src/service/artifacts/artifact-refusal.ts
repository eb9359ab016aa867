import { ApiError } from '../http/api-error.js';
import type { TaskRow } from '../queue/sql/task-columns.js';
import type { ArtifactRow } from './sql/artifact-columns.js';

/** What somebody wanted to create. */
export interface Wanted {
  taskId: string;
  runId: number;
  name: string;
  storageType: string;
  contentType: string;
  /** As it would be stored. */
  expires: string;
}

interface RunTimes {
  state: string;
  reasonResolved: string | null;
  workerId: string | null;
}

/** Why an artifact could not be created, in the order of the wire protocol. */
export function refusalOf(wanted: Wanted, task: TaskRow | undefined, existing: ArtifactRow | undefined, runOpen: boolean): ApiError {
  const { taskId, runId, expires } = wanted;
  const run = task && runOf(task, runId);
  if (!task) return new ApiError('InputError', `Task ${taskId} does not exist, or has expired`);
  if (!run) return new ApiError('InputError', `Run ${runId} of task ${taskId} does not exist`);
  if (run.workerId === null) return new ApiError('InputError', `Run ${runId} of task ${taskId} was never claimed`);
  if (task.expires < new Date(expires)) {
    return new ApiError('InputError', `The artifact would expire after its task; let it expire at ${task.expires.toISOString()} or before`);
  }
  if (!runOpen) return runIsOver(wanted, run);
  return existing ? conflict(wanted, existing) : new ApiError('RequestConflict', `Task ${taskId} has just changed; try again`);
}

export function runOf(task: TaskRow, runId: number): RunTimes | undefined {
  return task.runId === runId ? task : task.pastRuns?.find((run) => run.runId === runId);
}

export function runIsOver({ taskId, runId }: { taskId: string; runId: number }, run: RunTimes): ApiError {
  const reason = run.reasonResolved && run.reasonResolved !== run.state ? ` (${run.reasonResolved})` : '';
  const state = run.state === 'running' ? 'not held any more (claim-expired)' : `${run.state}${reason}`;
  return new ApiError('RequestConflict', `Run ${runId} of task ${taskId} is ${state}; it takes no more artifacts`);
}

function conflict(wanted: Wanted, existing: ArtifactRow): ApiError {
  const exists = `Artifact ${wanted.name} exists already`;
  const { storageType, contentType, expires } = existing;
  const changed = (what: string) => new ApiError('RequestConflict', `${exists} ${what}`);
  if (wanted.storageType !== 'link' && wanted.contentType !== contentType) return changed(`with the content type ${contentType}; keep it`);
  if (new Date(wanted.expires) < expires) return changed(`and expires at ${expires.toISOString()}; it cannot expire earlier`);
  if (wanted.storageType !== storageType) return changed(`as ${storageType}; only a reference can become something else, a link`);
  if (existing.expired) return changed('but has expired, and is being removed');
  return changed(`as ${storageType} with another content`);
}

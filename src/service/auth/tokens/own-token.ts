import type { TaskClaims } from '../../../credentials/task-claims.js';
import type { Caller } from '../../http/caller.js';

/** Whether it is the caller's run that the token is of. */
export function isOwn({ task, run }: TaskClaims, caller: Caller): boolean {
  return caller.run?.taskId === task && caller.run.runId === run;
}

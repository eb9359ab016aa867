import type { TaskClaims } from '../../../credentials/task-claims.js';
import type { Caller } from '../../http/caller.js';
import type { HeldToken } from './task-tokens.js';

/** Whether it is the caller's run that the token is of, and the caller is all of that run. */
export function isOwn({ task, run }: TaskClaims, { itself }: Caller): boolean {
  return itself?.taskId === task && itself.runId === run;
}

/** Whether the caller came with this token, or with one that it was made from. */
export function isMadeFrom({ claims, ancestors }: HeldToken, { run }: Caller): boolean {
  return run?.byToken !== undefined && [claims.jti, ...ancestors].includes(run.byToken);
}

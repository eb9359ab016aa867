import { statement } from '../../../postgres/sql.js';

/** Takes a token back. Waits for who makes another one from it (`for share` in insert-task-token). $1 jti */
export const revokeTaskToken = statement<{ taskId: string; runId: number }>(
  'revoke-task-token',
  `
update task_token set revoked = now()
 where jti = $1 and revoked is null
returning task_id as "taskId", run_id as "runId"`,
);

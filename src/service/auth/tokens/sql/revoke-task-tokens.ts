import { statement } from '../../../postgres/sql.js';

/** Takes a token back, with all that was made from it. Its run's tokens are locked (lock-run-tokens). $1 jti, $2 task_id, $3 run_id */
export const revokeTaskTokens = statement<{ jti: string }>(
  'revoke-task-tokens',
  `
update task_token set revoked = now()
 where task_id = $2 and run_id = $3 and revoked is null and (jti = $1 or $1 = any(ancestors))
returning jti`,
);

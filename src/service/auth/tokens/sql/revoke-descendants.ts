import { statement } from '../../../postgres/sql.js';

/** Takes back what was made from a token; a statement after the one that took that back, so that it sees all there is. $1 task_id, $2 run_id, $3 jti */
export const revokeDescendants = statement(
  'revoke-descendants',
  `
update task_token set revoked = now()
 where task_id = $1 and run_id = $2 and revoked is null and $3 = any(ancestors)`,
);

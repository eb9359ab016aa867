import { statement } from '../../postgres/sql.js';

/** The scopes that a run used. $1 task_id, $2 run_id, $3 at most so many */
export const listUses = statement<{ scope: string; firstUsed: Date }>(
  'list-uses',
  `
select scope, first_used as "firstUsed"
  from scope_use
 where task_id = $1 and run_id = $2
 limit $3`,
);

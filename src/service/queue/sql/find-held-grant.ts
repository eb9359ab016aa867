import { statement } from '../../postgres/sql.js';
import { GRANT_COLUMNS, type GrantRow } from './grant-columns.js';

/** What decides about the scopes of a run whose lease is still held. $1 task_id, $2 run_id */
export const findHeldGrant = statement<GrantRow>(
  'find-held-grant',
  `
select ${GRANT_COLUMNS}
  from task join task_definition using (task_id)
 where task.task_id = $1 and task.run_id = $2 and task.state::text = 'running' and task.taken_until > now()`,
);

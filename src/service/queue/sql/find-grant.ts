import { statement } from '../../postgres/sql.js';
import { GRANT_COLUMNS, type GrantRow } from './grant-columns.js';

/** What decides about the scopes of a run, as it is now. $1 task_id, $2 run_id */
export const findGrant = statement<GrantRow>(
  'find-grant',
  `
select ${GRANT_COLUMNS}
  from (select $1::text as task_id, $2::smallint as run_id) as task join task_definition using (task_id)`,
);

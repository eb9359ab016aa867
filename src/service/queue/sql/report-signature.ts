import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** What the worker of a run that is still held found of the signature: once. $1 task_id, $2 run_id, $3 the verdict, as JSON */
export const reportSignature = statement<TaskRow>(
  'report-signature',
  `
with task as (
  update task
     set run_signature = $3::json
   where task_id = $1 and run_id = $2 and state::text = 'running' and taken_until > now() and run_signature is null
  returning *
)
select ${TASK_COLUMNS}
  from task`,
);

import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/**
 * Ends a run that is still held. A task that others wait for stays due until they were told.
 * $1 task_id, $2 run_id, $3 state, $4 reason_resolved, $5 what the worker found of the signature, or null
 */
export const resolveRun = statement<TaskRow>(
  'resolve-run',
  `
with task as (
  update task
     set state = $3::task_state, reason_resolved = $4, resolved = now(), run_signature = coalesce($5::json, run_signature),
          due = case when has_dependents then now() end
   where task_id = $1 and run_id = $2 and state::text = 'running' and taken_until > now()
  returning *
), recorded as (
  ${recordEvent('task')}
)
select ${TASK_COLUMNS}
  from task`,
);

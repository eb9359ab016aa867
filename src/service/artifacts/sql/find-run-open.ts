import { statement } from '../../postgres/sql.js';
import { isOpen } from './artifact-columns.js';

/** Whether a run may still leave artifacts, be it its task's latest or an earlier one. $1 task_id, $2 run_id */
export const findRunOpen = statement<{ open: boolean }>(
  'find-run-open',
  `
with run as (
  select state, taken_until, resolved from task where task_id = $1 and run_id = $2
  union all
  select state, taken_until, resolved from past_run where task_id = $1 and run_id = $2
)
select coalesce(${isOpen('run')}, false) as open
  from run
 limit 1`,
);

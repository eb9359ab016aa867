import { statement } from '../../postgres/sql.js';
import { OF_RUN, RUN_COLUMNS, type RunRow } from './run-columns.js';

/** A run, be it its task's latest or an earlier one. $1 task_id, $2 run_id */
export const findRun = statement<RunRow>(
  'find-run',
  `
with run as (
  select task_id, run_id, state, reason_resolved, worker_group, worker_id, taken_until, resolved from task where task_id = $1 and run_id = $2
  union all
  select task_id, run_id, state, reason_resolved, worker_group, worker_id, taken_until, resolved from past_run where task_id = $1 and run_id = $2
)
select ${RUN_COLUMNS}
  from ${OF_RUN}
 limit 1`,
);

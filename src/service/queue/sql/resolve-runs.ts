import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/**
 * Ends runs that are still held: resolve-run for several at once. It waits for nobody: a row that somebody else has locked, or changed
 * since this statement began, is passed over like one whose lease is lost, and resolve-run is to be asked about it.
 * `between` and `order by` leave but the primary key: planned for a table of one row, any index with a task_id would do for `=`.
 * $1 task_ids, $2 run_ids, $3 states, $4 reasons_resolved
 */
export const resolveRuns = statement<TaskRow>(
  'resolve-runs',
  `
with held as materialized (
  select found.at, asked.state, asked.reason_resolved
    from unnest($1::text[], $2::smallint[], $3::task_state[], $4::text[])
         as asked (task_id, run_id, state, reason_resolved),
         lateral (select ctid as at from task
                   where task_id between asked.task_id and asked.task_id
                     and run_id = asked.run_id and task.state::text = 'running' and taken_until > now()
                   order by task_id
                   limit 1
                     for no key update skip locked) as found
), task as (
  update task
     set state = held.state, reason_resolved = held.reason_resolved, resolved = now(), due = case when task.has_dependents then now() end
    from held
   where task.ctid = held.at
  returning task.*
), recorded as (
  ${recordEvent('task')}
)
select ${TASK_COLUMNS}
  from task`,
);

import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/**
 * Extends leases that are still held: extend-claim for several at once. It waits for nobody: a row that somebody else has locked, or
 * changed since this statement began, is passed over like one whose lease is lost, and extend-claim is to be asked about it.
 * `between` and `order by` leave but the primary key: planned for a table of one row, any index with a task_id would do for `=`.
 * $1 task_ids, $2 run_ids, $3 lease in seconds
 */
export const extendClaims = statement<TaskRow & { scopes: string[] }>(
  'extend-claims',
  `
with held as materialized (
  select found.at
    from unnest($1::text[], $2::smallint[]) as asked (task_id, run_id),
         lateral (select ctid as at from task
                   where task_id between asked.task_id and asked.task_id
                     and run_id = asked.run_id and state::text = 'running' and taken_until > now() and deadline > now()
                   order by task_id
                   limit 1
                     for no key update skip locked) as found
), task as (
  update task
     set taken_until = greatest(task.taken_until, now() + make_interval(secs => $3))
    from held
   where task.ctid = held.at
  returning task.*
)
select ${TASK_COLUMNS}, task_definition.scopes
  from task, lateral (select scopes from task_definition where task_definition.task_id = task.task_id limit 1) as task_definition`,
);

import { recordAudit } from '../../postgres/audit-log.js';
import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { RENEWED } from './extend-claim.js';
import { GRANT_COLUMNS, type GrantRow } from './grant-columns.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/**
 * What workers report of runs that they still hold, for several at once: that they work on (state running, which extends the lease:
 * extend-claim), or how it ended (resolve-run). It waits for nobody: a row that somebody else has locked, or changed since this statement
 * began, is passed over like one whose lease is lost, and extend-claim or resolve-run is to be asked about it.
 * A lease is extended in place: no column of an index changes then, though the text sets some.
 * `between` and `order by` leave but the primary key: planned for a table of one row, any index with a task_id would do for `=`.
 * $1 task_ids, $2 run_ids, $3 states, $4 reasons_resolved, $5 lease in seconds, $6 actors. What decides about its scopes is there of a run that goes on.
 */
export const reportRuns = statement<TaskRow & { [Column in keyof GrantRow]: GrantRow[Column] | null }>(
  'report-runs',
  `
with held as materialized (
  select found.at, asked.state, asked.reason_resolved, asked.actor
    from unnest($1::text[], $2::smallint[], $3::task_state[], $4::text[], $6::text[])
         as asked (task_id, run_id, state, reason_resolved, actor),
         lateral (select ctid as at from task
                   where task_id between asked.task_id and asked.task_id
                     and run_id = asked.run_id and task.state::text = 'running' and taken_until > now()
                     and (asked.state <> 'running' or deadline > now())
                   order by task_id
                   limit 1
                     for no key update skip locked) as found
), task as (
  update task
     set state = held.state,
         taken_until = case held.state when 'running' then greatest(task.taken_until, now() + make_interval(secs => $5)) else task.taken_until end,
         reason_resolved = held.reason_resolved,
         resolved = case when held.state <> 'running' then now() end,
         due = case when held.state = 'running' then task.due when task.has_dependents then now() end
    from held
   where task.ctid = held.at
  returning task.*, held.actor
), recorded as (
  ${recordEvent(`task where state <> 'running'`)}
), audited as (
  ${recordAudit(`task where state = 'running'`, { ...RENEWED, actor: 'actor' })}
)
select ${TASK_COLUMNS}, lent.*
  from task
       left join lateral (select ${GRANT_COLUMNS}
                            from task_definition
                           where task_definition.task_id = task.task_id and task.state = 'running'
                           limit 1) as lent on true`,
);

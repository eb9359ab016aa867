import { recordEventThenPending } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/**
 * Creates the task with, unless dependencies are open ($13 > 0), its run 0. No row: the group is sealed or belongs to another
 * scheduler, or is being created by somebody else at this moment. A known task id is a unique violation, which undoes all.
 * The group is locked `for key share`: creators do not wait for one another, sealing (for update) waits for them.
 * $1 task_id, $2 definition, $3 digest, $4 scopes, $5 retries, $6 expires, $7 task_queue_id, $8 task_group_id, $9 scheduler_id,
 * $10 project_id, $11 rank, $12 deadline, $13 unsatisfied, $14 deadline delay in seconds, $15 creator, $16 creator_since,
 * $17 creator_run, $18 elder_runs with spaces between them, $19 signature or null, $20 what was found of it, as JSON, or null
 */
export const insertTask = statement<TaskRow>(
  'insert-task',
  `
with known_group as materialized (
  select scheduler_id, sealed from task_group where task_group_id = $8 for key share
), new_group as (
  insert into task_group (task_group_id, scheduler_id)
  select $8, $9 where not exists (select from known_group)
  on conflict do nothing
  returning task_group_id
), open_group as (
  select from known_group where scheduler_id = $9 and sealed is null
  union all
  select from new_group
), definition as (
  insert into task_definition (task_id, definition, size, digest, scopes, retries, expires, creator, creator_since, creator_run, elder_runs,
                               signature)
  select $1, $2::text::json, octet_length($2::text) + coalesce(octet_length($19::text), 0), $3::bytea, $4::text[], $5::smallint, $6::timestamptz, $15::text,
         $16::timestamptz, $17::text, string_to_array($18::text, ' '), $19::text
    from open_group
  returning task_id
), task as (
  insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires,
                    unsatisfied, state, run_id, reason_created, scheduled, due, signature)
  select task_id, $7, $8, $9, $10, $11::smallint, $5::smallint, $12::timestamptz, $6::timestamptz,
         $13::integer,
         case when $13 = 0 then 'pending' else 'unscheduled' end::task_state,
         case when $13 = 0 then 0 end,
         case when $13 = 0 then 'scheduled' end,
         case when $13 = 0 then now() end,
         $12::timestamptz + make_interval(secs => $14), $20::json
    from definition
  returning *
), ${recordEventThenPending({ kind: `'task-defined'` })}
select ${TASK_COLUMNS}
  from task`,
);

import { recordEventThenPending } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/**
 * Creates tasks that depend on nothing: insert-task for several requests at once. One whose id is known, or whose group does not take
 * it or is being created by somebody else, is passed over, and insert-task is to be asked about it. An id that somebody else takes at
 * this moment is a unique violation, which undoes all. Ids and groups are taken in one order by everybody.
 * $1 task_ids, $2 definitions, $3 digests, $4 scopes as JSON, $5 retries, $6 expires, $7 task_queue_ids, $8 task_group_ids,
 * $9 scheduler_ids, $10 project_ids, $11 ranks, $12 deadlines, $13 deadline delay in seconds, $14 creators, $15 creator_sinces,
 * $16 creator_runs, $17 elder_runs with spaces between them, $18 signatures or null, $19 what was found of them, as JSON, or null
 */
export const createTasks = statement<TaskRow>(
  'create-tasks',
  `
with given as materialized (
  select *
    from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::smallint[], $6::timestamptz[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::smallint[], $12::timestamptz[], $14::text[], $15::timestamptz[], $16::text[], $17::text[],
                $18::text[], $19::text[])
         as given (task_id, definition, digest, scopes, retries, expires, task_queue_id, task_group_id, scheduler_id, project_id, rank,
                   deadline, creator, creator_since, creator_run, elder_runs, signature, found)
   where (select true from task_definition where task_definition.task_id = given.task_id limit 1) is null
), known_group as materialized (
  select task_group_id, scheduler_id, sealed
    from task_group
   where task_group_id = any($8::text[])
   order by task_group_id
     for key share
), new_group as (
  insert into task_group (task_group_id, scheduler_id)
  select task_group_id, min(scheduler_id)
    from given
   where not exists (select from known_group where known_group.task_group_id = given.task_group_id)
   group by task_group_id
   order by task_group_id collate "C"
  on conflict do nothing
  returning task_group_id, scheduler_id
), open_group as (
  select task_group_id, scheduler_id from known_group where sealed is null
  union all
  select task_group_id, scheduler_id from new_group
), definition as (
  insert into task_definition (task_id, definition, size, digest, scopes, retries, expires, creator, creator_since, creator_run, elder_runs,
                               signature)
  select task_id, definition::json, octet_length(definition) + coalesce(octet_length(signature), 0), digest, array(select json_array_elements_text(scopes::json)), retries, expires,
         creator, creator_since, creator_run, string_to_array(elder_runs, ' '), signature
    from given join open_group using (task_group_id, scheduler_id)
   order by task_id collate "C"
  returning task_id
), task as (
  insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires,
                    unsatisfied, state, run_id, reason_created, scheduled, due, signature)
  select task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries, deadline, expires,
         0, 'pending', 0, 'scheduled', now(), deadline + make_interval(secs => $13), found::json
    from given join definition using (task_id)
  returning *
), ${recordEventThenPending({ kind: `'task-defined'` })}
select ${TASK_COLUMNS}
  from task`,
);

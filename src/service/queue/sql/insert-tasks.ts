import { recordEventThenPending } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/**
 * Many tasks whose definitions and groups stand: insert-task, which does all in one statement, for more than one.
 * $1 task_ids, $2 task_queue_ids, $3 task_group_ids, $4 scheduler_ids, $5 project_ids, $6 ranks, $7 retries, $8 deadlines,
 * $9 expires, $10 unsatisfied, $11 has_dependents, $12 deadline delay in seconds, $13 what was found of their signatures, as JSON, or null
 */
export const insertTasks = statement<TaskRow>(
  'insert-tasks',
  `
with task as (
  insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires,
                    unsatisfied, has_dependents, state, run_id, reason_created, scheduled, due, signature)
  select task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries, deadline, expires,
         unsatisfied, has_dependents,
         case when unsatisfied = 0 then 'pending' else 'unscheduled' end::task_state,
         case when unsatisfied = 0 then 0 end,
         case when unsatisfied = 0 then 'scheduled' end,
         case when unsatisfied = 0 then now() end,
         deadline + make_interval(secs => $12), signature::json
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::smallint[], $8::timestamptz[],
                $9::timestamptz[], $10::integer[], $11::boolean[], $13::text[])
         as given (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries, deadline, expires,
                   unsatisfied, has_dependents, signature)
  returning *
), ${recordEventThenPending({ kind: `'task-defined'` })}
select ${TASK_COLUMNS}
  from task`,
);

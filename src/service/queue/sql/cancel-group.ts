import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/** Ends tasks of a group that have not ended, as cancel-task does one. $1 task_group_id, $2 at most so many */
export const cancelGroup = statement<{ taskId: string; hasDependents: boolean }>(
  'cancel-group',
  `
with open as materialized (
  select task_id from task
   where task_group_id = $1 and state in ('unscheduled', 'pending', 'running') and deadline > now()
   order by task_id
   limit $2
     for update
), task as (
  update task
     set state = 'exception', reason_resolved = 'canceled', resolved = now(), run_id = coalesce(run_id, 0),
         reason_created = coalesce(reason_created, 'exception'), scheduled = coalesce(scheduled, now()),
         due = case when has_dependents then now() end
    from open
   where task.task_id = open.task_id
  returning task.*
), recorded as (
  ${recordEvent('task')}
)
select task_id as "taskId", has_dependents as "hasDependents"
  from task`,
);

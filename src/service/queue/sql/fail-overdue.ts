import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/** Tasks past their deadline and its delay: exception (deadline-exceeded), no retry. $1 deadline delay in seconds, $2 at most so many */
export const failOverdue = statement<{ taskId: string; hasDependents: boolean }>(
  'fail-overdue',
  `
with overdue as materialized (
  select task_id from task
   where due <= now() and state in ('unscheduled', 'pending', 'running') and deadline + make_interval(secs => $1) <= now()
   order by due
   limit $2
     for update skip locked
), task as (
  update task
     set state = 'exception', reason_resolved = 'deadline-exceeded', resolved = now(), run_id = coalesce(task.run_id, 0),
         reason_created = coalesce(task.reason_created, 'exception'), scheduled = coalesce(task.scheduled, now()),
         due = case when task.has_dependents then now() end
    from overdue
   where task.task_id = overdue.task_id
  returning task.*
), recorded as (
  ${recordEvent('task')}
)
select task_id as "taskId", has_dependents as "hasDependents"
  from task`,
);

import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/** Ends a task that has not ended; one without runs gets a run that says so. $1 task_id */
export const cancelTask = statement<{ taskId: string; hasDependents: boolean }>(
  'cancel-task',
  `
with task as (
  update task
     set state = 'exception', reason_resolved = 'canceled', resolved = now(), run_id = coalesce(run_id, 0),
         reason_created = coalesce(reason_created, 'exception'), scheduled = coalesce(scheduled, now()),
         due = case when has_dependents then now() end
   where task_id = $1 and state in ('unscheduled', 'pending', 'running') and deadline > now()
  returning task.*
), recorded as (
  ${recordEvent('task')}
)
select task_id as "taskId", has_dependents as "hasDependents"
  from task`,
);

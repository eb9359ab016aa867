import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Starts another run of a task whose latest run has ended (or that never had one), up to 50 runs.
 * $1 task_id, $2 deadline delay in seconds
 */
export const rerunTask = statement<{ taskQueueId: string }>(
  'rerun-task',
  `
with ended as materialized (
  select task.*, task_definition.retries
    from task join task_definition using (task_id)
   where task.task_id = $1 and task.state in ('unscheduled', 'completed', 'failed', 'exception')
     and coalesce(task.run_id, -1) < 49 and task.deadline > now()
     for update of task
), archived as (
  insert into past_run (task_id, run_id, state, reason_created, scheduled, started, worker_group, worker_id, taken_until,
                        resolved, reason_resolved, run_signature)
  select task_id, run_id, state, reason_created, scheduled, started, worker_group, worker_id, taken_until, resolved, reason_resolved,
         run_signature
    from ended
   where run_id is not null
), task as (
  update task
     set state = 'pending', run_id = coalesce(task.run_id, -1) + 1, reason_created = 'rerun', scheduled = now(),
         retries_left = least(ended.retries, 48 - coalesce(task.run_id, -1)),
         started = null, worker_group = null, worker_id = null, taken_until = null, claim_key = null, run_signature = null,
         resolved = null, reason_resolved = null, due = task.deadline + make_interval(secs => $2)
    from ended
   where task.task_id = ended.task_id
  returning task.*
), recorded as (
  ${recordEvent('task')}
)
select task_queue_id as "taskQueueId"
  from task`,
);

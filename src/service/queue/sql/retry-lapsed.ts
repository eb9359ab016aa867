import { recordEventThenPending } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Runs whose lease lapsed, with a retry left: exception (claim-expired) and a new run. `state between` hides the predicate of the index
 * of running tasks from the planner, which otherwise reads all of that index when thousands of leases have lapsed.
 * $1 deadline delay in seconds, $2 at most so many
 */
export const retryLapsed = statement<{ taskId: string; taskQueueId: string }>(
  'retry-lapsed',
  `
with lapsed as materialized (
  select * from task
   where due <= now() and state between 'running' and 'running' and taken_until <= now() and deadline > now() and retries_left > 0
   order by due
   limit $2
     for update skip locked
), archived as (
  insert into past_run (task_id, run_id, state, reason_created, scheduled, started, worker_group, worker_id, taken_until,
                        resolved, reason_resolved, run_signature)
  select task_id, run_id, 'exception', reason_created, scheduled, started, worker_group, worker_id, taken_until, now(), 'claim-expired', run_signature
    from lapsed
), task as (
  update task
     set state = 'pending', run_id = task.run_id + 1, retries_left = task.retries_left - 1, reason_created = 'retry', scheduled = now(),
         started = null, worker_group = null, worker_id = null, taken_until = null, claim_key = null, run_signature = null,
         due = task.deadline + make_interval(secs => $1)
    from lapsed
   where task.task_id = lapsed.task_id
  returning task.*
), ${recordEventThenPending({ kind: `'task-exception'`, detail: `json_build_object('runId', run_id - 1)` })}
select task_id as "taskId", task_queue_id as "taskQueueId"
  from task`,
);

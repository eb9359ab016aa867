import { recordEventThenPending } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Ends a run that is still held as an exception and starts the next one, if a retry is left.
 * $1 task_id, $2 run_id, $3 reason_resolved, $4 reason_created of the next run, $5 deadline delay in seconds
 */
export const retryRun = statement<{ taskQueueId: string }>(
  'retry-run',
  `
with held as materialized (
  select * from task
   where task_id = $1 and run_id = $2 and state::text = 'running' and taken_until > now() and retries_left > 0
     for update
), archived as (
  insert into past_run (task_id, run_id, state, reason_created, scheduled, started, worker_group, worker_id, taken_until,
                        resolved, reason_resolved)
  select task_id, run_id, 'exception', reason_created, scheduled, started, worker_group, worker_id, taken_until, now(), $3
    from held
), task as (
  update task
     set state = 'pending', run_id = task.run_id + 1, retries_left = task.retries_left - 1, reason_created = $4, scheduled = now(),
         started = null, worker_group = null, worker_id = null, taken_until = null, claim_key = null,
         due = task.deadline + make_interval(secs => $5)
    from held
   where task.task_id = held.task_id
  returning task.*
), ${recordEventThenPending({ kind: `'task-exception'`, detail: `json_build_object('runId', run_id - 1)` })}
select task_queue_id as "taskQueueId"
  from task`,
);

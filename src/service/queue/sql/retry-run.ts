import { recordEventThenPending } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Ends a run that is still held as an exception and starts the next one, if a retry is left; because of what a worker found of the signature
 * ($6) only of a task that is signed. Where we believe that signature nobody is given the next run for a while ($8).
 * $1 task_id, $2 run_id, $3 reason_resolved, $4 reason_created of the next run, $5 deadline delay in seconds, $6 the finding, as JSON, or null,
 * $7 how many runs before may have ended with it, $8 seconds
 */
export const retryRun = statement<{ taskQueueId: string }>(
  'retry-run',
  `
with held as materialized (
  select * from task
   where task_id = $1 and run_id = $2 and state::text = 'running' and taken_until > now() and retries_left > 0
     and ($6::json is null
          or (signature ->> 'kid' is not null
              and (select count(*) from past_run
                    where task_id = $1 and reason_resolved = $3 and run_signature ->> 'code' = $6::json ->> 'code') < $7::integer))
     for update
), archived as (
  insert into past_run (task_id, run_id, state, reason_created, scheduled, started, worker_group, worker_id, taken_until,
                        resolved, reason_resolved, run_signature)
  select task_id, run_id, 'exception', reason_created, scheduled, started, worker_group, worker_id, taken_until, now(), $3,
         coalesce($6::json, run_signature)
    from held
), task as (
  update task
     set state = 'pending', run_id = task.run_id + 1, retries_left = task.retries_left - 1, reason_created = $4, scheduled = now(),
         started = null, worker_group = null, worker_id = null, taken_until = null, claim_key = null, run_signature = null,
         not_before = case when held.signature ->> 'verdict' = 'verified' then now() + make_interval(secs => $8) end,
         due = task.deadline + make_interval(secs => $5)
    from held
   where task.task_id = held.task_id
  returning task.*
), ${recordEventThenPending({ kind: `'task-exception'`, detail: `json_build_object('runId', run_id - 1)` })}
select task_queue_id as "taskQueueId"
  from task`,
);

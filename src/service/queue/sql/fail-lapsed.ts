import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Runs whose lease lapsed and that have no retry left: exception (claim-expired). `state between` is as in retry-lapsed.
 * $1 at most so many
 */
export const failLapsed = statement<{ taskId: string; hasDependents: boolean }>(
  'fail-lapsed',
  `
with lapsed as materialized (
  select task_id from task
   where due <= now() and state between 'running' and 'running' and taken_until <= now() and deadline > now() and retries_left = 0
   order by due
   limit $1
     for update skip locked
), task as (
  update task
     set state = 'exception', reason_resolved = 'claim-expired', resolved = now(), due = case when task.has_dependents then now() end
    from lapsed
   where task.task_id = lapsed.task_id
  returning task.*
), recorded as (
  ${recordEvent('task')}
)
select task_id as "taskId", has_dependents as "hasDependents"
  from task`,
);

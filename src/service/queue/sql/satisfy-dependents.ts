import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Tells the dependents of a resolved task, once; those with nothing left to wait for get their run 0. `due` stands until this
 * has happened, so a crash between resolving and this statement is made good by the sweep. Satisfaction is never undone.
 * The task and those that wait for it are locked in one order, as creators lock what they depend on. No edge is missed by that: who
 * creates one now finds the task resolved.
 * `is true` makes the planner look the edges up in a hash table: it guesses that both sides of a join would be a few rows, and compares
 * each with each, which took 14 s for 4 000 dependents.
 * $1 task_id of the resolved task. Answers the tasks that became pending.
 */
export const satisfyDependents = statement<{ taskId: string; taskQueueId: string }>(
  'satisfy-dependents',
  `
with locked as materialized (
  select task_id, state, due from task
   where task_id = any(array(select $1 union all
                             select dependent_task_id from task_dependency where required_task_id = $1 and not satisfied))
   order by task_id
     for no key update
), required as (
  select task_id, state from locked
   where task_id = $1 and state in ('completed', 'failed', 'exception') and due is not null
), edge as (
  update task_dependency
     set satisfied = true
    from required
   where task_dependency.required_task_id = required.task_id
     and not task_dependency.satisfied
     and (required.state = 'completed' or task_dependency.any_outcome)
  returning task_dependency.dependent_task_id
), dependent as (
  select task_id, state from locked where (task_id in (select dependent_task_id from edge)) is true
), told as (
  update task
     set unsatisfied = task.unsatisfied - 1,
         state = case when task.unsatisfied = 1 and task.state = 'unscheduled' then 'pending' else task.state end,
         run_id = case when task.unsatisfied = 1 and task.state = 'unscheduled' then 0 else task.run_id end,
         reason_created = case when task.unsatisfied = 1 and task.state = 'unscheduled' then 'scheduled' else task.reason_created end,
         scheduled = case when task.unsatisfied = 1 and task.state = 'unscheduled' then now() else task.scheduled end
    from dependent
   where task.task_id = dependent.task_id
  returning task.*, dependent.state as before
), settled as (
  update task set due = null from required where task.task_id = required.task_id
), unblocked as (
  select * from told where before = 'unscheduled' and state = 'pending'
), recorded as (
  ${recordEvent('unblocked')}
)
select task_id as "taskId", task_queue_id as "taskQueueId"
  from unblocked`,
);

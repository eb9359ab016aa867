import { statement } from '../../postgres/sql.js';

/**
 * Running rows fell due, but were reclaimed since, or lapsed past their deadline (which ends them, after its delay): look again
 * then. `state between` is as in retry-lapsed. $1 deadline delay in seconds, $2 at most so many
 */
export const rearmDue = statement<{ taskId: string }>(
  'rearm-due',
  `
with fallen as materialized (
  select task_id from task
   where due <= now() and state between 'running' and 'running' and deadline + make_interval(secs => $1) > now()
     and (taken_until > now() or deadline <= now())
   order by due
   limit $2
     for update skip locked
)
update task
   set due = case when task.taken_until > now() then least(task.taken_until, task.deadline + make_interval(secs => $1))
                  else task.deadline + make_interval(secs => $1) end
  from fallen
 where task.task_id = fallen.task_id
returning task.task_id as "taskId"`,
);

import { statement } from '../../postgres/sql.js';

/** Gives tasks of a group that have not ended another priority. $1 task_group_id, $2 rank, $3 at most so many */
export const changeGroupPriority = statement<{ taskId: string }>(
  'change-group-priority',
  `
with open as materialized (
  select task_id from task
   where task_group_id = $1 and rank <> $2 and state in ('unscheduled', 'pending', 'running') and deadline > now()
   order by task_id
   limit $3
     for update
)
update task
   set rank = $2
  from open
 where task.task_id = open.task_id
returning task.task_id as "taskId"`,
);

import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** Gives a task that has not ended another priority. $1 task_id, $2 rank */
export const changePriority = statement<TaskRow>(
  'change-priority',
  `
with task as (
  update task
     set rank = $2
   where task_id = $1 and state in ('unscheduled', 'pending', 'running') and deadline > now()
  returning *
)
select ${TASK_COLUMNS}
  from task`,
);

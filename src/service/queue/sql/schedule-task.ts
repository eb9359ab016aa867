import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** Gives an unscheduled task its run 0, whatever it still depends on. $1 task_id */
export const scheduleTask = statement<TaskRow>(
  'schedule-task',
  `
with task as (
  update task
     set state = 'pending', run_id = 0, reason_created = 'scheduled', scheduled = now()
   where task_id = $1 and state = 'unscheduled' and deadline > now()
  returning *
), recorded as (
  ${recordEvent('task')}
)
select ${TASK_COLUMNS}
  from task`,
);

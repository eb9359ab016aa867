import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** $1 task_id */
export const findTask = statement<TaskRow>(
  'find-task',
  `
select ${TASK_COLUMNS}
  from task
 where task.task_id = $1`,
);

import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** Those of these tasks that exist. $1 task_ids, $2 only after this one, $3 at most so many */
export const listStatuses = statement<TaskRow>(
  'list-statuses',
  `
select ${TASK_COLUMNS}
  from task
 where task.task_id = any($1::text[]) and task.task_id > $2
 order by task.task_id
 limit $3`,
);

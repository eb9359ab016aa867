import { statement } from '../../postgres/sql.js';
import { type Paged, pageBySize, pastRunsSize } from './definition-columns.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** Those of these tasks that exist. $1 task_ids, $2 only after this one, $3 at most so many */
export const listStatuses = statement<TaskRow & Paged>(
  'list-statuses',
  pageBySize({
    columns: TASK_COLUMNS,
    candidates: `
select task.*, ${pastRunsSize('task')} as bytes
  from task
 where task_id = any($1::text[]) and task_id > $2
 order by task_id
 limit $3 + 1`,
    order: 'task_id',
    most: '$3',
  }),
);

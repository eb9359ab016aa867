import { statement } from '../../postgres/sql.js';
import { type Defined, pageOfDefinitions } from './definition-columns.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** The tasks of a group. $1 task_group_id, $2 only after this task, $3 at most so many */
export const listGroup = statement<TaskRow & Defined>(
  'list-group',
  pageOfDefinitions({
    columns: TASK_COLUMNS,
    candidates: `
select *
  from task
 where task_group_id = $1 and task_id > $2
 order by task_id
 limit $3 + 1`,
    pastRuns: true,
    order: 'task_id',
    most: '$3',
  }),
);

import { statement } from '../../postgres/sql.js';
import { type Defined, pageOfDefinitions } from './definition-columns.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** The tasks that wait, or waited, for this one. $1 required task_id, $2 only after this dependent, $3 at most so many */
export const listDependents = statement<TaskRow & Defined>(
  'list-dependents',
  pageOfDefinitions({
    columns: TASK_COLUMNS,
    candidates: `
select task.*
  from task_dependency join task on task.task_id = task_dependency.dependent_task_id
 where task_dependency.required_task_id = $1 and task_dependency.dependent_task_id > $2
 order by task_dependency.dependent_task_id
 limit $3 + 1`,
    pastRuns: true,
    order: 'task_id',
    most: '$3',
  }),
);

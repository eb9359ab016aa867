import { statement } from '../../postgres/sql.js';
import type { StoredDefinition } from '../task-definition.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** The tasks that wait, or waited, for this one. $1 required task_id, $2 only after this dependent, $3 at most so many */
export const listDependents = statement<TaskRow & { definition: StoredDefinition }>(
  'list-dependents',
  `
select ${TASK_COLUMNS}, task_definition.definition
  from task_dependency
       join task on task.task_id = task_dependency.dependent_task_id
       join task_definition on task_definition.task_id = task.task_id
 where task_dependency.required_task_id = $1 and task_dependency.dependent_task_id > $2
 order by task_dependency.dependent_task_id
 limit $3`,
);

import { statement } from '../../postgres/sql.js';
import type { StoredDefinition } from '../task-definition.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** The tasks of a group. $1 task_group_id, $2 only after this task, $3 at most so many */
export const listGroup = statement<TaskRow & { definition: StoredDefinition }>(
  'list-group',
  `
select ${TASK_COLUMNS}, task_definition.definition
  from task join task_definition using (task_id)
 where task.task_group_id = $1 and task.task_id > $2
 order by task.task_id
 limit $3`,
);

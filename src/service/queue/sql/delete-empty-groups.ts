import { statement } from '../../postgres/sql.js';

/** Those of these groups, which are locked, that have no task. $1 task_group_ids */
export const deleteEmptyGroups = statement(
  'delete-empty-groups',
  `
delete from task_group
 where task_group_id = any ($1::text[])
   and not exists (select from task where task.task_group_id = task_group.task_group_id)`,
);

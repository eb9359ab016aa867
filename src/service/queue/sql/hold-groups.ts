import { statement } from '../../postgres/sql.js';

/** Keeps these groups from being sealed or deleted until the end of the transaction, as insert-task does. $1 task_group_ids */
export const holdGroups = statement<{ taskGroupId: string; schedulerId: string; sealed: Date | null }>(
  'hold-groups',
  `
select task_group_id as "taskGroupId", scheduler_id as "schedulerId", sealed
  from task_group
 where task_group_id = any($1::text[])
 order by task_group_id
   for key share`,
);

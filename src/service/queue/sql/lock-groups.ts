import { statement } from '../../postgres/sql.js';

/** Keeps creators out of these groups until the end of the transaction. $1 task_group_ids */
export const lockGroups = statement(
  'lock-groups',
  `
select from task_group
 where task_group_id = any ($1::text[])
 order by task_group_id
   for update`,
);

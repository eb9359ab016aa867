import { statement } from '../../postgres/sql.js';

/**
 * Seals a group, once. Creators hold its row `for key share` until their task stands, so the lock waits for them, and who comes
 * later finds it sealed. $1 task_group_id
 */
export const sealGroup = statement(
  'seal-group',
  `
with locked as materialized (
  select task_group_id from task_group where task_group_id = $1 for update
)
update task_group
   set sealed = coalesce(sealed, now())
  from locked
 where task_group.task_group_id = locked.task_group_id`,
);

import { recordGroupEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { GROUP_EXPIRES } from './describe-group.js';

/**
 * Seals a group, once. Creators hold its row `for key share` until their task stands, so the lock waits for them, and who comes
 * later finds it sealed. $1 task_group_id
 */
export const sealGroup = statement(
  'seal-group',
  `
with locked as materialized (
  select task_group_id, sealed is null as open from task_group where task_group_id = $1 for update
), task_group as (
  update task_group
     set sealed = now()
    from locked
   where task_group.task_group_id = locked.task_group_id and locked.open
  returning task_group.*
)
${recordGroupEvent('task_group', `'task-group-sealed'`, `json_build_object('expires', ${GROUP_EXPIRES}, 'sealed', sealed)`)}`,
);

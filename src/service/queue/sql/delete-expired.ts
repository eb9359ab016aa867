import { statement } from '../../postgres/sql.js';

/** Forgets tasks half an hour after they expired, with all that belongs to them but their groups. $1 at most so many */
export const deleteExpired = statement<{ taskGroupId: string }>(
  'delete-expired',
  `
with expired as materialized (
  select task_id from task_definition
   where expires < now() - interval '30 minutes'
   limit $1
     for update skip locked
), definition as (
  delete from task_definition using expired where task_definition.task_id = expired.task_id
), run as (
  delete from past_run using expired where past_run.task_id = expired.task_id
), edge as (
  delete from task_dependency using expired where task_dependency.dependent_task_id = expired.task_id
)
delete from task using expired
 where task.task_id = expired.task_id
returning task.task_group_id as "taskGroupId"`,
);

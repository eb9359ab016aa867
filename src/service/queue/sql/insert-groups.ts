import { statement } from '../../postgres/sql.js';

/**
 * Creates those of these groups that there are not, in one order for everybody; one that somebody else is creating is waited for.
 * $1 task_group_ids, $2 scheduler_ids
 */
export const insertGroups = statement(
  'insert-groups',
  `
insert into task_group (task_group_id, scheduler_id)
select task_group_id, scheduler_id
  from unnest($1::text[], $2::text[]) as given (task_group_id, scheduler_id)
 where not exists (select from task_group where task_group.task_group_id = given.task_group_id)
 order by task_group_id collate "C"
on conflict do nothing`,
);

import { statement } from '../../postgres/sql.js';

export interface GroupRow {
  taskGroupId: string;
  schedulerId: string;
  sealed: Date | null;
  expires: Date;
}

/**
 * When a relation called `task_group` expires: an hour after its last task. That is looked up when asked, so that creating tasks
 * need not write the group's row, for which they would all have to wait.
 */
export const GROUP_EXPIRES = `
       (select coalesce(max(expires), now()) from task where task.task_group_id = task_group.task_group_id) + interval '1 hour'`;

/** $1 task_group_id */
export const describeGroup = statement<GroupRow>(
  'describe-group',
  `
select task_group_id as "taskGroupId", scheduler_id as "schedulerId", sealed, ${GROUP_EXPIRES} as expires
  from task_group
 where task_group_id = $1`,
);

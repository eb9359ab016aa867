import { statement } from '../../postgres/sql.js';

/** The task that has waited longest for the sweep, if any does. */
export const findDue = statement<{ taskId: string }>(
  'find-due',
  `
select task_id as "taskId"
  from task
 where due <= now()
 order by due
 limit 1`,
);

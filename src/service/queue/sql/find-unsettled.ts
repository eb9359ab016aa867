import { statement } from '../../postgres/sql.js';

/** Resolved tasks whose dependents were not told yet: the replica that resolved them has died in between. $1 at most so many */
export const findUnsettled = statement<{ taskId: string }>(
  'find-unsettled',
  `
select task_id as "taskId"
  from task
 where due <= now() and state in ('completed', 'failed', 'exception')
 order by due
 limit $1`,
);

import { statement } from '../../postgres/sql.js';

/** $1 task_queue_id. Pending tasks past their deadline can no longer be claimed and do not count. */
export const countTasks = statement<{ pendingTasks: number; claimedTasks: number }>(
  'count-tasks',
  `
select (select count(*)::integer from task where task_queue_id = $1 and state = 'pending' and deadline > now()) as "pendingTasks",
       (select count(*)::integer from task where task_queue_id = $1 and state = 'running') as "claimedTasks"`,
);

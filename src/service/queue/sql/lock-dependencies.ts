import { statement } from '../../postgres/sql.js';
import type { TaskState } from '../run-state.js';

/**
 * Locks the tasks that a new task depends on, in one order for everybody. Whoever resolves one of them meanwhile waits for
 * this transaction and then sees the new edge; whoever resolved it before is seen here. $1 task_ids
 */
export const lockDependencies = statement<{ taskId: string; state: TaskState; expires: Date }>(
  'lock-dependencies',
  `
select task_id as "taskId", state, expires
  from task
 where task_id = any($1::text[])
 order by task_id
   for no key update`,
);

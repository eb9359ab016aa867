import { statement } from '../../postgres/sql.js';
import type { TaskQueueRow } from './list-task-queues.js';

/** $1 task_queue_id */
export const findTaskQueue = statement<TaskQueueRow>(
  'find-task-queue',
  `
select task_queue_id as "taskQueueId", last_date_active as "lastDateActive", expires
  from task_queue
 where task_queue_id = $1 and expires > now()`,
);

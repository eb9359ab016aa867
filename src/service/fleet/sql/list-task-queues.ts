import { statement } from '../../postgres/sql.js';

export interface TaskQueueRow {
  taskQueueId: string;
  lastDateActive: Date;
  expires: Date;
}

/** The task queues that begin with a text ('' for all). $1 the text, $2 only after this one, $3 at most so many */
export const listTaskQueues = statement<TaskQueueRow>(
  'list-task-queues',
  `
select task_queue_id as "taskQueueId", last_date_active as "lastDateActive", expires
  from task_queue
 where expires > now() and starts_with(task_queue_id, $1) and task_queue_id > $2
 order by task_queue_id
 limit $3`,
);

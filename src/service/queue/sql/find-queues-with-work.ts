import { statement } from '../../postgres/sql.js';

/** Which of these queues have something to claim: one probe of the index each. $1 task_queue_ids */
export const findQueuesWithWork = statement<{ taskQueueId: string }>(
  'find-queues-with-work',
  `
select queue.id as "taskQueueId"
  from unnest($1::text[]) as queue (id)
 where exists (select from task where task_queue_id = queue.id and state = 'pending' and deadline > now())`,
);

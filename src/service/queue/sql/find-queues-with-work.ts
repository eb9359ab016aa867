import { statement } from '../../postgres/sql.js';

/**
 * Which of these queues have something to claim: one probe of the index each. The order is that of the index: planned for an empty table,
 * another one would do as well. $1 task_queue_ids
 */
export const findQueuesWithWork = statement<{ taskQueueId: string }>(
  'find-queues-with-work',
  `
select queue.id as "taskQueueId"
  from unnest($1::text[]) as queue (id),
       lateral (select from task
                 where task_queue_id between queue.id and queue.id and state = 'pending' and deadline > now()
                   and (not_before is null or not_before <= now())
                 order by task_queue_id, rank, scheduled, task_id
                 limit 1) as first`,
);

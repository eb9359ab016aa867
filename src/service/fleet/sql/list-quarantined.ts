import { statement } from '../../postgres/sql.js';

/** All workers that may not claim now: quarantined, or held back. */
export const listQuarantined = statement<{ taskQueueId: string; workerGroup: string; workerId: string; until: Date }>(
  'list-quarantined',
  `
select task_queue_id as "taskQueueId", worker_group as "workerGroup", worker_id as "workerId", greatest(quarantine_until, held_back_until) as until
  from worker
 where quarantine_until > now() or held_back_until > now()`,
);

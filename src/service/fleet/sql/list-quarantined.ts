import { statement } from '../../postgres/sql.js';

/** All workers that may not claim now, quarantined or held back, and for how long yet. */
export const listQuarantined = statement<{ taskQueueId: string; workerGroup: string; workerId: string; seconds: number }>(
  'list-quarantined',
  `
select task_queue_id as "taskQueueId", worker_group as "workerGroup", worker_id as "workerId", extract(epoch from greatest(quarantine_until, held_back_until) - now())::double precision as seconds
  from worker
 where quarantine_until > now() or held_back_until > now()`,
);

import { statement } from '../../postgres/sql.js';

/** All workers that may not claim now. */
export const listQuarantined = statement<{ taskQueueId: string; workerGroup: string; workerId: string; until: Date }>(
  'list-quarantined',
  `
select task_queue_id as "taskQueueId", worker_group as "workerGroup", worker_id as "workerId", quarantine_until as until
  from worker
 where quarantine_until > now()`,
);

import { statement } from '../../postgres/sql.js';
import { WORKER_COLUMNS, type WorkerRow } from './worker-columns.js';

/** $1 task_queue_id, $2 worker_group, $3 worker_id, $4 until, $5 an array of one entry of the history */
export const quarantineWorker = statement<WorkerRow>(
  'quarantine-worker',
  `
with worker as (
  update worker
     set quarantine_until = $4, quarantine_details = quarantine_details || $5::jsonb,
         expires = greatest(expires, now() + interval '1 day')
   where task_queue_id = $1 and worker_group = $2 and worker_id = $3
  returning *
)
select ${WORKER_COLUMNS}
  from worker`,
);

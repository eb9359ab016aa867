import { statement } from '../../postgres/sql.js';
import { WORKER_COLUMNS, type WorkerRow } from './worker-columns.js';

/**
 * Without a row there is no such worker, or so many others are quarantined already that one more is too much; a quarantine is always
 * ended or changed. $1 task_queue_id, $2 worker_group, $3 worker_id, $4 until, $5 an array of one entry of the history, $6 at most so many
 */
export const quarantineWorker = statement<WorkerRow>(
  'quarantine-worker',
  `
with worker as (
  update worker
     set quarantine_until = $4, quarantine_details = quarantine_details || $5::jsonb,
         expires = greatest(expires, now() + interval '1 day')
   where task_queue_id = $1 and worker_group = $2 and worker_id = $3
     and ($4::timestamptz <= now() or quarantine_until > now()
          or (select count(*) from worker as other where other.quarantine_until > now()) < $6::integer)
  returning *
)
select ${WORKER_COLUMNS}
  from worker`,
);

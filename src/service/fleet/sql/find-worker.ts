import { statement } from '../../postgres/sql.js';
import { WORKER_COLUMNS, type WorkerRow } from './worker-columns.js';

/** A worker that has not expired, or is quarantined. $1 task_queue_id, $2 worker_group, $3 worker_id */
export const findWorker = statement<WorkerRow>(
  'find-worker',
  `
select ${WORKER_COLUMNS}
  from worker
 where worker.task_queue_id = $1 and worker.worker_group = $2 and worker.worker_id = $3
   and (worker.expires > now() or worker.quarantine_until > now())`,
);

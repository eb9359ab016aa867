import { statement } from '../../postgres/sql.js';
import { WORKER_COLUMNS, type WorkerRow } from './worker-columns.js';

/**
 * The workers of a queue that have not expired or are quarantined; filtered before the page is cut, so no page is short.
 * $1 task_queue_id, $2 quarantined: true, false or null for both, $3 and $4 only after this group and id, $5 at most so many
 */
export const listWorkers = statement<WorkerRow>(
  'list-workers',
  `
select ${WORKER_COLUMNS}
  from worker
 where worker.task_queue_id = $1
   and (worker.expires > now() or worker.quarantine_until > now())
   and ($2::boolean is null or coalesce(worker.quarantine_until > now(), false) = $2)
   and (worker.worker_group, worker.worker_id) > ($3, $4)
 order by worker.worker_group, worker.worker_id
 limit $5`,
);

import { statement } from '../../postgres/sql.js';
import { WORKER_COLUMNS, type WorkerRow } from './worker-columns.js';

/** Makes a worker known, with its queue, before it claims anything. $1 task_queue_id, $2 worker_group, $3 worker_id, $4 expires */
export const declareWorker = statement<WorkerRow>(
  'declare-worker',
  `
with queue as (
  insert into task_queue (task_queue_id, expires)
  values ($1, greatest($4::timestamptz, now() + interval '1 day'))
  on conflict (task_queue_id) do update
     set last_date_active = now(), expires = greatest(task_queue.expires, excluded.expires)
), worker as (
  insert into worker (task_queue_id, worker_group, worker_id, expires)
  values ($1, $2, $3, $4)
  on conflict (task_queue_id, worker_group, worker_id) do update
     set expires = greatest(worker.expires, excluded.expires), last_date_active = now()
  returning *
)
select ${WORKER_COLUMNS}
  from worker`,
);

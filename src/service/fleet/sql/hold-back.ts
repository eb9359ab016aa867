import { statement } from '../../postgres/sql.js';

/**
 * For a while a worker is given nothing of a task queue. No row: so many others are held back already that one more is too much.
 * $1 task_queue_id, $2 worker_group, $3 worker_id, $4 for so many seconds, $5 at most so many
 */
export const holdBack = statement<{ workerId: string }>(
  'hold-back',
  `
insert into worker (task_queue_id, worker_group, worker_id, expires, held_back_until)
select $1, $2, $3, now() + interval '1 day', now() + make_interval(secs => $4)
 where (select count(*) from worker as other where other.held_back_until > now()) < $5::integer
    on conflict (task_queue_id, worker_group, worker_id) do update
   set held_back_until = excluded.held_back_until, expires = greatest(worker.expires, excluded.expires)
returning worker_id as "workerId"`,
);

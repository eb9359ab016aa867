import { statement } from '../../postgres/sql.js';

/** Task queues that were seen now. $1 task_queue_ids (each once, sorted), $2 seconds until they are forgotten, one each */
export const recordQueues = statement(
  'record-queues',
  `
insert into task_queue (task_queue_id, expires)
select id, now() + make_interval(secs => keep)
  from unnest($1::text[], $2::integer[]) as seen (id, keep)
on conflict (task_queue_id) do update
   set last_date_active = now(), expires = greatest(task_queue.expires, excluded.expires)`,
);

import { statement } from '../../postgres/sql.js';

/**
 * Workers that were seen now, each once and in order, with what they claimed since the last time.
 * $1 task_queue_ids, $2 worker groups, $3 worker ids, $4 claims as JSON arrays of {taskId, runId}, oldest first
 */
export const recordWorkers = statement(
  'record-workers',
  `
insert into worker (task_queue_id, worker_group, worker_id, expires, recent_tasks)
select task_queue_id, worker_group, worker_id, now() + interval '1 day', claims
  from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) as seen (task_queue_id, worker_group, worker_id, claims)
on conflict (task_queue_id, worker_group, worker_id) do update
   set last_date_active = now(),
       expires = greatest(worker.expires, excluded.expires),
       recent_tasks = coalesce((
         select jsonb_agg(claim order by nth)
           from (select claim, nth
                   from jsonb_array_elements(worker.recent_tasks || excluded.recent_tasks) with ordinality as all_claims (claim, nth)
                  order by nth desc
                  limit 20) as latest), '[]')`,
);

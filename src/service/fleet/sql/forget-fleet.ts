import { statement } from '../../postgres/sql.js';

/** Forgets workers and queues half an hour after they expired; a quarantined worker is remembered. $1 at most so many of each */
export const forgetFleet = statement<{ workers: number; taskQueues: number }>(
  'forget-fleet',
  `
with old_worker as materialized (
  select task_queue_id, worker_group, worker_id
    from worker
   where expires < now() - interval '30 minutes' and (quarantine_until is null or quarantine_until < now())
   order by expires
   limit $1
     for update skip locked
), gone_worker as (
  delete from worker using old_worker
   where (worker.task_queue_id, worker.worker_group, worker.worker_id)
       = (old_worker.task_queue_id, old_worker.worker_group, old_worker.worker_id)
  returning worker.worker_id
), old_queue as materialized (
  select task_queue_id
    from task_queue
   where expires < now() - interval '30 minutes'
   order by expires
   limit $1
     for update skip locked
), gone_queue as (
  delete from task_queue using old_queue where task_queue.task_queue_id = old_queue.task_queue_id
  returning task_queue.task_queue_id
)
select (select count(*)::integer from gone_worker) as workers, (select count(*)::integer from gone_queue) as "taskQueues"`,
);

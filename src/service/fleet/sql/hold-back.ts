import { statement } from '../../postgres/sql.js';

/** Who is given nothing of a task queue now. */
export interface HeldBackRow {
  taskQueueId: string;
  workerGroup: string;
  workerId: string;
}

/**
 * For a while the worker that holds a run is given nothing of its task queue, if the task's signature was good when it was created. No row
 * otherwise, or where so many others are held back already that one more is too much. $1 task_id, $2 run_id, $3 for so many seconds, $4 at most so many
 */
export const holdBack = statement<HeldBackRow>(
  'hold-back',
  `
insert into worker (task_queue_id, worker_group, worker_id, expires, held_back_until)
select task_queue_id, worker_group, worker_id, now() + interval '1 day', now() + make_interval(secs => $3)
  from task
 where task_id = $1 and run_id = $2 and state::text = 'running' and taken_until > now() and signature ->> 'verdict' = 'verified'
   and (select count(*) from worker as other where other.held_back_until > now()) < $4::integer
    on conflict (task_queue_id, worker_group, worker_id) do update
   set held_back_until = excluded.held_back_until, expires = greatest(worker.expires, excluded.expires)
returning task_queue_id as "taskQueueId", worker_group as "workerGroup", worker_id as "workerId"`,
);

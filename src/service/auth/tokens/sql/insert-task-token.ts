import { statement } from '../../../postgres/sql.js';

/** A run, as the claims of its token say it, and the token's place. Times are unix seconds. */
export interface IssuedRow {
  taskQueueId: string;
  taskGroupId: string;
  projectId: string;
  fence: number;
  takenUntil: Date;
  /** null: the run has too many, or what it is made from has ended. */
  idx: number | null;
  issued: number;
  expires: number;
}

/**
 * Records a token of a run that goes on, and says what of the run is in it. No row: the run does not go on. What a token is made from
 * is locked, so that whoever revokes it sees this one, or this one is refused.
 * $1 jti, $2 task_id, $3 run_id, $4 worker_group, $5 worker_id, $6 kid, $7 seconds that it may outlive the lease, $8 seconds that it may
 * live, $9 unix seconds when its parent ends, or null, $10 ancestors, $11 at most so many of one run
 */
export const insertTaskToken = statement<IssuedRow>(
  'insert-task-token',
  `
with run as materialized (
  select task_id, run_id, task_queue_id, task_group_id, project_id, fence, taken_until, date_trunc('second', now()) as issued,
         date_trunc('second', least(taken_until + make_interval(secs => $7), now() + make_interval(secs => $8), to_timestamp($9::float8)))
           as expires
    from task
   where task_id = $2 and run_id = $3 and worker_group = $4 and worker_id = $5 and state = 'running' and taken_until > now()
), ancestor as materialized (
  select from task_token where jti = any($10::text[]) and revoked is null and expires > now() for share
), token as (
  insert into task_token (jti, task_id, run_id, kid, issued, expires, ancestors)
  select $1, task_id, run_id, $6, issued, expires, $10::text[] from run
   where expires > now()
     and (select count(*) from ancestor) = cardinality($10::text[])
     and (select count(*) from task_token where task_id = $2 and run_id = $3 and revoked is null and expires > now()) < $11
  returning idx
)
select run.task_queue_id as "taskQueueId", run.task_group_id as "taskGroupId", run.project_id as "projectId", run.fence,
       run.taken_until as "takenUntil", token.idx::float8 as idx, extract(epoch from run.issued)::float8 as issued,
       extract(epoch from run.expires)::float8 as expires
  from run left join token on true`,
);

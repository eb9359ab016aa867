import { statement } from '../../../postgres/sql.js';

/** Why there is no token: its key leaked, its time would be over, what it is made from has ended, or the run was given too many. */
type Refusal = 'key' | 'end' | 'parent' | 'room';

/** A run, as the claims of its token say it, and the token's place. Times are unix seconds. */
export interface IssuedRow {
  taskQueueId: string;
  taskGroupId: string;
  projectId: string;
  fence: number;
  takenUntil: Date;
  refusal: Refusal | null;
  /** null: refused. */
  idx: number | null;
  issued: number;
  expires: number;
}

/**
 * Records a token of a run that goes on, and says what of the run is in it. No row: the run does not go on. Whoever makes it from another
 * one has locked the run's tokens (lock-run-tokens). Revoked ones take room, too, and as long as their rows are kept: else who makes and
 * revokes them has as many as they like.
 * $1 jti, $2 task_id, $3 run_id, $4 worker_group, $5 worker_id, $6 kid, $7 seconds that it may outlive the lease, $8 seconds that it may
 * live, $9 unix seconds when its parent ends, or null, $10 ancestors, $11 at most so many of one run, $12 how
 * often the run had lost scopes when those of the token were looked at
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
), judged as materialized (
  select run.*,
         case when not exists (select from signing_key where kid = $6 and compromised is null) then 'key'
              when expires <= now() then 'end'
              when cardinality($10::text[]) > (select count(*) from task_token
                                                where jti = any($10::text[]) and revoked is null and expires > now()) then 'parent'
              when (select count(*)
                      from (select from task_token
                             where task_id = $2 and run_id = $3 and expires > now() - interval '10 minutes' limit $11) as given) >= $11
                then 'room' end as refusal
    from run
), token as (
  insert into task_token (jti, task_id, run_id, kid, issued, expires, ancestors, losses)
  select $1, task_id, run_id, $6, issued, expires, $10::text[], $12 from judged where refusal is null
  returning idx
)
select judged.task_queue_id as "taskQueueId", judged.task_group_id as "taskGroupId", judged.project_id as "projectId", judged.fence,
       judged.taken_until as "takenUntil", judged.refusal, token.idx::float8 as idx, extract(epoch from judged.issued)::float8 as issued,
       extract(epoch from judged.expires)::float8 as expires
  from judged left join token on true`,
);

import { statement } from '../../../postgres/sql.js';
import { OF_RUN, RUN_COLUMNS, type RunRow } from '../../sql/run-columns.js';

/**
 * The run of a token that has neither ended nor been revoked, be it its task's latest or an earlier one. Whether the run goes on
 * is for who asks to see. The token must be the one that was recorded, and its key not one that leaked: copies of the keys in memory may be
 * seconds old. It is looked for by its jti alone, because a run may have a thousand. A clock that was set back may have a token be from the
 * future: by a minute at most.
 * $1 jti, $2 task_id, $3 run_id, $4 kid, $5 unix seconds when it begins by what it says itself, $6 when it ends
 */
export const findTokenRun = statement<RunRow & { ancestors: string[] }>(
  'find-token-run',
  `
with recorded as materialized (
  select * from task_token where jti = $1
), token as materialized (
  select task_id, run_id, ancestors
    from recorded
   where task_id = $2 and run_id = $3 and kid = $4 and revoked is null and expires > now()
     and to_timestamp($5::float8) <= now() + interval '1 minute' and to_timestamp($6::float8) > now()
     and exists (select from signing_key where kid = $4 and compromised is null)
), run as (
  select task_id, run_id, state, reason_resolved, worker_group, worker_id, taken_until, resolved, ancestors
    from token join task using (task_id, run_id)
  union all
  select task_id, run_id, state, reason_resolved, worker_group, worker_id, taken_until, resolved, ancestors
    from token join past_run using (task_id, run_id)
)
select ${RUN_COLUMNS}, run.ancestors
  from ${OF_RUN}
 limit 1`,
);

import { statement } from '../../../postgres/sql.js';
import { OF_RUN, RUN_COLUMNS, type RunRow } from '../../sql/run-columns.js';

/**
 * The run of a token that has neither ended nor been revoked, be it its task's latest or an earlier one. Whether the run goes on
 * is for who asks to see. A clock that was set back may have a token be from the future: by a minute at most.
 * $1 jti, $2 unix seconds when it begins by what it says itself, $3 when it ends
 */
export const findTokenRun = statement<RunRow & { ancestors: string[] }>(
  'find-token-run',
  `
with token as materialized (
  select task_id, run_id, ancestors
    from task_token
   where jti = $1 and revoked is null and expires > now()
     and to_timestamp($2::float8) <= now() + interval '1 minute' and to_timestamp($3::float8) > now()
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

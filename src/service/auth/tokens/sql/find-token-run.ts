import { statement } from '../../../postgres/sql.js';
import type { RunRow } from '../../sql/find-run.js';

/**
 * The run of a token that has neither ended nor been revoked, be it its task's latest or an earlier one. Whether the run goes on
 * is for who asks to see. $1 jti
 */
export const findTokenRun = statement<RunRow & { ancestors: string[] }>(
  'find-token-run',
  `
with token as materialized (
  select task_id, run_id, ancestors from task_token where jti = $1 and revoked is null and expires > now()
), run as (
  select task_id, run_id, state, reason_resolved, worker_group, worker_id, taken_until, resolved, ancestors
    from token join task using (task_id, run_id)
  union all
  select task_id, run_id, state, reason_resolved, worker_group, worker_id, taken_until, resolved, ancestors
    from token join past_run using (task_id, run_id)
)
select run.state, run.reason_resolved as "reasonResolved", run.worker_group as "workerGroup", run.worker_id as "workerId",
       run.taken_until as "takenUntil", coalesce(run.taken_until > now(), false) as leased,
       coalesce(run.resolved > now() - interval '25 minutes', false) as recent, coalesce(reduced_run.scopes, task_definition.scopes) as "taskScopes",
       case when reduced_run.scopes is not null then task_definition.scopes end as "definedScopes", task_definition.creator, run.ancestors
  from run join task_definition using (task_id)
           left join reduced_run using (task_id, run_id)
 limit 1`,
);

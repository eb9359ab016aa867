import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import type { ClaimedRow } from './claim-runs.js';
import { GRANT_COLUMNS } from './grant-columns.js';
import { recordLent } from './lent-columns.js';
import { TASK_COLUMNS } from './task-columns.js';

/**
 * Leases one named run. $1 task_id, $2 run_id, $3 worker_group, $4 worker_id, $5 lease in seconds, $6 deadline delay in seconds,
 * $7 actor. The worker that holds the run already gets the same lease again: of the task nothing is changed then.
 */
export const claimRun = statement<ClaimedRow>(
  'claim-run',
  `
with claimed as (
  update task
     set state = 'running', worker_group = $3, worker_id = $4, started = greatest(now(), scheduled), fence = fence + 1,
         taken_until = now() + make_interval(secs => $5),
         due = least(now() + make_interval(secs => $5), deadline + make_interval(secs => $6)), claim_key = null
   where task_id = $1 and run_id = $2 and state = 'pending' and deadline > now() and (not_before is null or not_before <= now())
  returning *
), held as (
  select * from task
   where task_id = $1 and run_id = $2 and state::text = 'running' and worker_group = $3 and worker_id = $4
     and taken_until > now() and deadline > now()
), task as (
  select * from claimed union all select * from held
), recorded as (
  ${recordEvent('claimed')}
), audited as (
  ${recordLent('$7')}
)
select ${TASK_COLUMNS}, 1 as request, task_definition.definition::text as definition, task_definition.signature as jws,
       ${GRANT_COLUMNS}
  from task join task_definition using (task_id)`,
);

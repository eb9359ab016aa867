import { recordAudit } from '../../postgres/audit-log.js';
import { statement } from '../../postgres/sql.js';
import type { TokenDates } from './token-dates-columns.js';
import { OF_TOKEN, TOKEN_DATES } from './token-dates-columns.js';

/**
 * From when until when a registry token of a run is good, and the entry that it was given. No row: the run does not go on. Registries ask nobody
 * whether it does, so the token ends with the lease.
 * $1 to $5 as in `token-dates-columns`, $6 task_id, $7 run_id, $8 worker_group, $9 worker_id
 */
export const dateRunToken = statement<TokenDates>(
  'date-run-token',
  `
with token as materialized (
  select task_id, run_id, date_trunc('second', now()) as issued,
         date_trunc('second', least(taken_until, now() + make_interval(secs => $1), to_timestamp($2::float8))) as expires
    from task
   where task_id = $6 and run_id = $7 and worker_group = $8 and worker_id = $9 and state = 'running' and taken_until > now()
), recorded as (
  ${recordAudit(OF_TOKEN.relation, { kind: 'registry-token-issued', actor: `'task-run:' || task_id || '/' || run_id`, ofRun: true, detail: OF_TOKEN.detail })}
)
select ${TOKEN_DATES}
  from token`,
);

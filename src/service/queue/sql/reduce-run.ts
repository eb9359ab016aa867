import { recordAudit } from '../../postgres/audit-log.js';
import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Writes down what is left of task.scopes to a run, and tells it. No row: somebody else has reduced the run since it was read, so that it
 * must be read again, or its task is forgotten. A run that has ended meanwhile is reduced, too: signed URLs may outlive it.
 * $1 task_id, $2 run_id, $3 the scopes that are left, $4 those that were left before, null if it was not reduced yet, $5 detail of event and entry
 */
export const reduceRun = statement<{ taskId: string }>(
  'reduce-run',
  `
with task as materialized (
  select * from task where task_id = $1 and run_id >= $2 for key share
), reduced as (
  insert into reduced_run as known (task_id, run_id, scopes)
  select task_id, $2, $3 from task
  on conflict (task_id, run_id) do update
     set scopes = excluded.scopes, losses = known.losses + 1
   where known.scopes = $4::text[]
  returning task_id
), recorded as (
  ${recordEvent('task where exists (select from reduced)', { kind: `'task-scopes-reduced'`, detail: '$5::json' })}
), audited as (
  ${recordAudit('(select task_id, $2::smallint as run_id from reduced) as told', { kind: 'scopes-reduced', ofRun: true, detail: '$5::json' })}
)
select task_id as "taskId" from reduced`,
);

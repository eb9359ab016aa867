import { recordAudit } from '../../postgres/audit-log.js';
import { statement } from '../../postgres/sql.js';
import { GRANT_COLUMNS, type GrantRow } from './grant-columns.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** What a longer lease tells the audit log, for a relation with the columns of `task`. */
export const RENEWED = {
  kind: 'credentials-renewed',
  ofRun: true,
  detail: `json_build_object('takenUntil', taken_until)`,
} as const;

/**
 * Extends a lease that is still held; never moves taken_until back. Nothing indexed changes, so the update is heap-only: the
 * sweep learns of the later lapse when the row falls due. `state::text` hides the predicate of the index of running tasks from
 * the planner, which otherwise may prefer that index to the primary key.
 * $1 task_id, $2 run_id, $3 lease in seconds, $4 actor
 */
export const extendClaim = statement<TaskRow & GrantRow>(
  'extend-claim',
  `
with task as (
  update task
     set taken_until = greatest(taken_until, now() + make_interval(secs => $3))
   where task_id = $1 and run_id = $2 and state::text = 'running' and taken_until > now() and deadline > now()
  returning *
), audited as (
  ${recordAudit('task', { ...RENEWED, actor: '$4' })}
)
select ${TASK_COLUMNS}, ${GRANT_COLUMNS}
  from task join task_definition using (task_id)`,
);

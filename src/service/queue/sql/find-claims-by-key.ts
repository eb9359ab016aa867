import { statement } from '../../postgres/sql.js';
import type { ClaimedRow } from './claim-runs.js';
import { TASK_COLUMNS } from './task-columns.js';

/** The runs that a claimWork with this key was given and still holds. $1 claim_key */
export const findClaimsByKey = statement<ClaimedRow>(
  'find-claims-by-key',
  `
select ${TASK_COLUMNS}, 1 as request, task_definition.definition::text as definition, task_definition.scopes
  from task join task_definition using (task_id)
 where task.claim_key = $1 and task.state = 'running' and task.taken_until > now()
 order by task.rank, task.scheduled, task.task_id`,
);

import { statement } from '../../postgres/sql.js';
import { POLICY_COLUMNS, type PolicyRow } from './policy-columns.js';

/** $1 only after this task queue, $2 at most so many */
export const listSignaturePolicies = statement<PolicyRow>(
  'list-signature-policies',
  `
select ${POLICY_COLUMNS}
  from signature_policy
 where task_queue_id > $1
 order by task_queue_id
 limit $2`,
);

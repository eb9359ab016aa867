import { statement } from '../../postgres/sql.js';
import { POLICY_COLUMNS, type PolicyRow } from './policy-columns.js';

export interface FoundPolicyRow extends PolicyRow {
  keySet: string | null;
}

/** $1 task_queue_id */
export const findSignaturePolicy = statement<FoundPolicyRow>(
  'find-signature-policy',
  `
select ${POLICY_COLUMNS}, key_set as "keySet"
  from signature_policy
 where task_queue_id = $1`,
);

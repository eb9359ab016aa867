import { statement } from '../../postgres/sql.js';

export interface ChangedPolicyRow {
  taskQueueId: string;
  policy: 'off' | 'warn' | 'require';
  /** Of a JWKS; null: there was never one. */
  keySet: string | null;
}

/** $1 a revision: what has changed since */
export const listChangedPolicies = statement<ChangedPolicyRow>(
  'list-changed-policies',
  `
select task_queue_id as "taskQueueId", policy, key_set as "keySet"
  from signature_policy
 where revision > $1`,
);

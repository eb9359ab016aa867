import { doneBy, recordAudit } from '../../postgres/audit-log.js';
import { statement } from '../../postgres/sql.js';
import type { FoundPolicyRow } from './find-signature-policy.js';
import { POLICY_COLUMNS } from './policy-columns.js';

/**
 * Tells the other replicas, too: the revision is what they ask for.
 * $1 task_queue_id, $2 policy, $3 key_set, $4 its version, $5 its digest, $6 how many keys it has, $7 what is told of it, $8 to $10 who does it
 */
export const storeSignaturePolicy = statement<FoundPolicyRow>(
  'store-signature-policy',
  `
with raised as (
  update signature_policy_revision set revision = revision + 1
  returning revision
), policy as (
  insert into signature_policy (task_queue_id, policy, key_set, key_set_version, key_set_digest, key_set_keys, updated_by, revision)
  select $1, $2, $3, $4, $5, $6, $8, revision from raised
  on conflict (task_queue_id) do update
     set policy = excluded.policy, key_set = excluded.key_set, key_set_version = excluded.key_set_version,
         key_set_digest = excluded.key_set_digest, key_set_keys = excluded.key_set_keys,
         updated = now(), updated_by = excluded.updated_by, revision = excluded.revision
  returning *
), audited as (
  ${recordAudit('policy', { kind: 'signature-policy-set', ...doneBy(8), detail: '$7::json' })}
)
select ${POLICY_COLUMNS}, key_set as "keySet"
  from policy`,
);

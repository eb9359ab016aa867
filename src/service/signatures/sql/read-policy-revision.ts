import { statement } from '../../postgres/sql.js';

/** Another one after each change of a policy. */
export const readPolicyRevision = statement<{ revision: string }>(
  'read-policy-revision',
  `
select revision from signature_policy_revision`,
);

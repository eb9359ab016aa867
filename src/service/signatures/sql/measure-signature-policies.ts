import { statement } from '../../postgres/sql.js';

/** What all task queues but one have. $1 task_queue_id */
export const measureSignaturePolicies = statement<{ queues: number; keys: number; bytes: number }>(
  'measure-signature-policies',
  `
select count(*)::integer as queues, coalesce(sum(key_set_keys), 0)::integer as keys,
       coalesce(sum(octet_length(key_set)), 0)::integer as bytes
  from signature_policy
 where task_queue_id <> $1`,
);

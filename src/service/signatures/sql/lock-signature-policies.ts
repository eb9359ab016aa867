import { statement } from '../../postgres/sql.js';

/** Who changes policies takes turns, until its transaction ends: what it then reads stays so. `now` in unix seconds */
export const lockSignaturePolicies = statement<{ now: number }>(
  'lock-signature-policies',
  `
select extract(epoch from now())::double precision as now
  from signature_policy_revision
   for update`,
);

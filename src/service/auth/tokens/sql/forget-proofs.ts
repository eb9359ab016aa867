import { statement } from '../../../postgres/sql.js';

/** Forgets proofs that are too old to be taken. $1 at most so many */
export const forgetProofs = statement<{ gone: boolean }>(
  'forget-proofs',
  `
delete from seen_proof
 where id in (select id from seen_proof where expires < now() order by expires limit $1 for update skip locked)
returning true as gone`,
);

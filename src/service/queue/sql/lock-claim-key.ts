import { statement } from '../../postgres/sql.js';

/** Two requests with one key take turns until the end of the transaction. $1 claim_key */
export const lockClaimKey = statement(
  'lock-claim-key',
  `
select pg_advisory_xact_lock(('x' || encode(substring($1::bytea for 8), 'hex'))::bit(64)::bigint)`,
);

import { statement } from '../../../postgres/sql.js';

/** Who changes keys takes turns, until its transaction ends: what it then reads stays so. */
export const lockSigningKeys = statement(
  'lock-signing-keys',
  `
select pg_advisory_xact_lock(hashtextextended('signing-keys', 0))`,
);

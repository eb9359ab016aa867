import { statement } from '../../../postgres/sql.js';

/**
 * Until the transaction ends: who takes tokens of a run back is alone, who makes tokens from its tokens are so together. One lock for all of
 * them, because rows would be locked in another order by each. A statement of its own, so that the next one sees what was done before.
 * $1 whom the tokens are about, $2 whether alone
 */
export const lockRunTokens = statement(
  'lock-run-tokens',
  `
select case when $2 then pg_advisory_xact_lock(run) else pg_advisory_xact_lock_shared(run) end
  from hashtextextended('tokens of ' || $1, 0) as run`,
);

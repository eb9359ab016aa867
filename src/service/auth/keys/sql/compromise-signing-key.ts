import { statement } from '../../../postgres/sql.js';

/** The row stays for a while, as a record; its secret does not. $1 kid, $2 so long, in seconds */
export const compromiseSigningKey = statement(
  'compromise-signing-key',
  `
update signing_key
   set compromised = now(), sealed = null, retired_at = coalesce(least(retired_at, now()), now()),
       delete_after = now() + $2::double precision * interval '1 second'
 where kid = $1`,
);

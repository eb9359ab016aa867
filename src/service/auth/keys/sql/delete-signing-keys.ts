import { statement } from '../../../postgres/sql.js';

/** Tokens are asked, too: they may be of a time when leases were configured to be longer. $1 seconds that clocks may differ by */
export const deleteSigningKeys = statement<{ kid: string }>(
  'delete-signing-keys',
  `
delete from signing_key
 where delete_after < now()
   and not exists (
     select from task_token
      where task_token.kid = signing_key.kid and task_token.expires > now() - $1::double precision * interval '1 second'
   )
returning kid`,
);

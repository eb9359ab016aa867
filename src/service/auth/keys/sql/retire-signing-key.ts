import { statement } from '../../../postgres/sql.js';

/** $1 kid, $2 so many seconds it signs on, $3 so long, in seconds, the last token it signs may live */
export const retireSigningKey = statement(
  'retire-signing-key',
  `
update signing_key
   set retired_at = now() + $2::double precision * interval '1 second',
       delete_after = now() + ($2::double precision + $3::double precision) * interval '1 second'
 where kid = $1`,
);

import { statement } from '../../../postgres/sql.js';

/** $1 kid, $2 alg, $3 public_jwk, $4 sealed, $5 in so many seconds it signs */
export const insertSigningKey = statement(
  'insert-signing-key',
  `
insert into signing_key (kid, alg, public_jwk, sealed, active_from)
values ($1, $2, $3, $4, now() + $5::double precision * interval '1 second')`,
);

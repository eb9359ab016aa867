import { statement } from '../../../postgres/sql.js';

/** Unless there is one that is not retired: of replicas that start at once, one makes it. $1 kid, $2 alg, $3 public_jwk, $4 sealed */
export const insertFirstSigningKey = statement(
  'insert-first-signing-key',
  `
insert into signing_key (kid, alg, public_jwk, sealed, active_from)
values ($1, $2, $3, $4, now())
    on conflict (alg) where retired_at is null do nothing`,
);

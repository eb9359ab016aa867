import { statement } from '../../../postgres/sql.js';

/** Remembers a proof; a row only if nobody has seen it before. $1 id, $2 seconds until nobody would take it anyway */
export const recordProof = statement<{ fresh: boolean }>(
  'record-proof',
  `
insert into seen_proof (id, expires) values ($1, now() + make_interval(secs => $2))
on conflict (id) do nothing
returning true as fresh`,
);

import { statement } from '../../postgres/sql.js';

/**
 * Adds a block to the chain, if its end is where the caller saw it: otherwise another process was faster, and no row is answered.
 * $1 number of its end so far; of the block: $2 first and $3 last number, $4 hashes; of its last entry: $5 tx, $6 id, $7 at, $8 hash
 */
export const sealBlock = statement<{ seq: string }>(
  'seal-block',
  `
with moved as (
  update audit_mark
     set seq = $3, hash = $8, tx = $5, id = $6
   where name = 'sealed' and seq = $1
  returning seq
), sealed as (
  insert into audit_block (first, last, hashes, tx, id, at)
  select $2, $3, $4, $5, $6, $7 from moved
)
select seq from moved`,
);

import { statement } from '../../postgres/sql.js';

/**
 * Adds entries to the chain, if its end is where the caller saw it: otherwise another process was faster, and no row is answered.
 * $1 seq of its end; of each entry: $2 seqs, $3 txs, $4 ids, $5 hashes, $6 kinds, $7 actors, $8 task_ids; of the last one: $9 seq,
 * $10 hash, $11 tx, $12 id
 */
export const sealEntries = statement<{ seq: string }>(
  'seal-entries',
  `
with moved as (
  update audit_mark
     set seq = $9, hash = $10, tx = $11, id = $12
   where name = 'sealed' and seq = $1
  returning seq
), sealed as (
  insert into audit_chain (seq, tx, id, hash, kind, actor, task_id)
  select entry.*
    from unnest($2::bigint[], $3::xid8[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::text[]) as entry
   where exists (select from moved)
)
select seq from moved`,
);

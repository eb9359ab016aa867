import { ENTRY_COLUMNS, type EntryRow } from './entry-columns.js';

/** A sealed entry. */
export interface SealedRow extends EntryRow {
  seq: string;
  hash: Buffer;
}

/**
 * A page of what is sealed, by what an index finds; all else that is asked for is passed over. One statement for each index, because a
 * plan that is kept must be right for every call: `between` and the order leave but that index. The number of an entry is counted back from the end of its block. Where the walk
 * begins: $1 tx, $2 id; $3 after which number, $4 task_id, $5 actor, $6 kind, $7 since; $8 at most so many. Null: any.
 */
export const pageBy = (found: string, first = '') => `
select sealed.seq, substring(sealed.hashes from (32 * (sealed.seq - sealed.first))::integer + 1 for 32) as hash, ${ENTRY_COLUMNS}
  from audit_entry as entry
       cross join lateral (
         select block.first, block.hashes,
                block.last - (select count(*) from audit_entry as later
                               where (later.tx, later.id) > (entry.tx, entry.id) and (later.tx, later.id) <= (block.tx, block.id)) as seq
           from audit_block as block
          where (block.tx, block.id) >= (entry.tx, entry.id)
          order by block.tx, block.id
          limit 1) as sealed
 where (entry.tx, entry.id) > ($1::xid8, $2::bigint) and ${found}
   and ($4::text is null or entry.task_id = $4)
   and ($5::text is null or entry.actor = $5)
   and ($6::text is null or entry.kind = $6)
   and ($7::timestamptz is null or entry.at >= $7)
   and sealed.seq > $3::bigint
 order by ${first}entry.tx, entry.id
 limit $8`;

import type { EntryRow } from './entry-columns.js';
import { ENTRY_COLUMNS } from './entry-columns.js';

/** A sealed entry. */
export interface SealedRow extends EntryRow {
  seq: string;
  hash: Buffer;
}

/**
 * A page of what is sealed, by what an index finds; all else that is asked for is passed over. One statement for each index, because a
 * plan that is kept must be right for every call. $1 after which seq, $2 task_id, $3 actor, $4 kind, $5 since; $6 at most so many.
 * Null: any.
 */
export const pageBy = (found: string) => `
select chain.seq, chain.hash, ${ENTRY_COLUMNS}
  from audit_chain as chain join audit_entry as entry on (entry.tx, entry.id) = (chain.tx, chain.id)
 where chain.seq > $1::bigint and ${found}
   and ($2::text is null or chain.task_id = $2)
   and ($3::text is null or chain.actor = $3)
   and ($4::text is null or chain.kind = $4)
   and ($5::timestamptz is null or entry.at >= $5)
 order by chain.seq
 limit $6`;

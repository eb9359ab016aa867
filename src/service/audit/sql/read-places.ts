import { statement } from '../../postgres/sql.js';
import { ENTRY_COLUMNS, type EntryRow } from './entry-columns.js';

/** Where nothing lies between there is one row that only tells the mark. */
type Found = (EntryRow | { tx: null }) & { prunedSeq: string; prunedHash: Buffer; prunedTx: string; prunedId: string };

/**
 * The entries between two places, in order, and what was pruned at that moment. After which place: $1 tx, $2 id; to which: $3 tx, $4 id;
 * $5 at most so many
 */
export const readPlaces = statement<Found>(
  'read-places',
  `
with entry as materialized (
  select *
    from audit_entry
   where (tx, id) > ($1::xid8, $2::bigint) and (tx, id) <= ($3::xid8, $4::bigint)
   order by tx, id
   limit $5
)
select pruned.seq as "prunedSeq", pruned.hash as "prunedHash", pruned.tx as "prunedTx", pruned.id as "prunedId", ${ENTRY_COLUMNS}
  from audit_mark as pruned left join entry on true
 where pruned.name = 'pruned'
 order by entry.tx, entry.id`,
);

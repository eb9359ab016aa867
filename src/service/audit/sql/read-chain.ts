import { statement } from '../../postgres/sql.js';
import { ENTRY_COLUMNS, type EntryRow } from './entry-columns.js';

export interface ChainRow extends EntryRow {
  seq: string;
  hash: Buffer;
  /** Whether its entry is there; otherwise the columns of the entry are null. */
  there: boolean;
  /** Whether it is looked up by what the entry says. */
  agrees: boolean;
}

/** All of one snapshot. Without anything that follows there is one row that only tells the marks. */
type Found = (ChainRow | { seq: null }) & { prunedSeq: string; prunedHash: Buffer; sealedSeq: string; sealedHash: Buffer };

/** The chain after a seq, with its entries and the marks. $1 after which seq, $2 at most so many */
export const readChain = statement<Found>(
  'read-chain',
  `
with link as materialized (
  select * from audit_chain where seq > $1::bigint order by seq limit $2
)
select pruned.seq as "prunedSeq", pruned.hash as "prunedHash", sealed.seq as "sealedSeq", sealed.hash as "sealedHash",
       link.seq, link.hash, entry.id is not null as there,
       (link.kind, link.actor, link.task_id) is not distinct from (entry.kind, entry.actor, entry.task_id) as agrees, ${ENTRY_COLUMNS}
  from audit_mark as pruned
       join audit_mark as sealed on pruned.name = 'pruned' and sealed.name = 'sealed'
       left join link on true
       left join audit_entry as entry on (entry.tx, entry.id) = (link.tx, link.id)
 order by link.seq`,
);

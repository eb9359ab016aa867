import { statement } from '../../postgres/sql.js';

/** Entries that were sealed together. */
export interface Block {
  first: string;
  last: string;
  /** The place of the last entry. */
  tx: string;
  id: string;
  /** When the last entry was written. */
  at: Date;
  /** 32 bytes of each entry, in order. */
  hashes: Buffer;
}

/** Where nothing follows there is one row that only tells the mark. */
type Found = (Block | { last: null }) & { sealedSeq: string; sealedHash: Buffer };

/** The blocks after a number, and the end of the chain at that moment. $1 after which number, $2 for so many numbers */
export const readBlocks = statement<Found>(
  'read-blocks',
  `
select sealed.seq as "sealedSeq", sealed.hash as "sealedHash", block.first, block.last, block.tx, block.id, block.at, block.hashes
  from audit_mark as sealed
       left join audit_block as block on block.last > $1::bigint and block.last <= $1::bigint + $2::bigint
 where sealed.name = 'sealed'
 order by block.last`,
);

import { statement } from '../../postgres/sql.js';

/** Where a walk over entries begins: after it come all that are wanted, and no more than a block of others. */
export interface Place {
  tx: string;
  id: string;
}

/** The end of the last block that has only numbers up to one. No row: the beginning. $1 number */
export const findPlaceOf = statement<Place>(
  'find-place-of',
  `
select tx, id from audit_block where last <= $1::bigint order by last desc limit 1`,
);

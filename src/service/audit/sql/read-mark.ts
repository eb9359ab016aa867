import { statement } from '../../postgres/sql.js';

/** How far entries were sealed, or pruned. */
export interface MarkRow {
  seq: string;
  hash: Buffer;
  tx: string;
  id: string;
}

/** $1 name */
export const readMark = statement<MarkRow>(
  'read-mark',
  `
select seq, hash, tx, id from audit_mark where name = $1`,
);

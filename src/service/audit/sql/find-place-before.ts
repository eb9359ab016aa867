import { statement } from '../../postgres/sql.js';
import type { Place } from './find-place-of.js';

/**
 * The end of a block before all that happened since a time: times of entries follow their numbers but for the length of a transaction, so
 * it looks ten minutes before. No row: the beginning. $1 since
 */
export const findPlaceBefore = statement<Place>(
  'find-place-before',
  `
select tx, id from audit_block where at < $1::timestamptz - interval '10 minutes' order by at desc limit 1`,
);

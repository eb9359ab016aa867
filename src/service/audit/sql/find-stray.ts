import { statement } from '../../postgres/sql.js';

/** The number of the last that was pruned, if a block or an entry from before that is still there. */
export const findStray = statement<{ seq: string }>(
  'find-stray',
  `
select pruned.seq
  from audit_mark as pruned
 where pruned.name = 'pruned'
   and (exists (select from audit_block as block where block.last <= pruned.seq)
     or exists (select from audit_entry as entry where (entry.tx, entry.id) <= (pruned.tx, pruned.id)))`,
);

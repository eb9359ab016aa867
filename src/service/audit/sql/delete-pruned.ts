import { statement } from '../../postgres/sql.js';

/** Deletes what lies before the mark; how many. What is deleted is the beginning, so later looks pass over nothing that is dead. */
export const deletePruned = statement<{ deleted: number }>(
  'delete-pruned',
  `
with pruned as (
  delete from audit_chain
   where seq <= (select seq from audit_mark where name = 'pruned')
  returning tx, id
), deleted as (
  delete from audit_entry using pruned
   where (audit_entry.tx, audit_entry.id) = (pruned.tx, pruned.id)
  returning audit_entry.id
)
select count(*)::integer as deleted from deleted`,
);

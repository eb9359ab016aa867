import { statement } from '../../postgres/sql.js';

/** Deletes what lies before the mark. It is the beginning, so later looks pass over nothing that is dead. */
export const deletePruned = statement(
  'delete-pruned',
  `
with pruned as materialized (
  select seq, tx, id from audit_mark where name = 'pruned'
), blocks as (
  delete from audit_block where last <= (select seq from pruned)
)
delete from audit_entry using pruned where (audit_entry.tx, audit_entry.id) <= (pruned.tx, pruned.id)`,
);

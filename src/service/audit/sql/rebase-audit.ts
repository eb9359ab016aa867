import { statement } from '../../postgres/sql.js';

/**
 * After a dump was restored into another cluster, transaction ids begin anew, and new entries would come before old ones: see
 * rebase-events. Gives what is sealed the places that its numbers say, and what waits to be sealed the ones after them. None of it is
 * under a hash. A transaction id that this very snapshot cannot know proves it; otherwise nothing is changed.
 */
export const rebaseAudit = statement(
  'rebase-audit',
  `
with is_foreign as materialized (
  select where audit_is_foreign()
), sealed as (
  update audit_entry as entry
     set tx = '2', id = chain.seq
    from audit_chain as chain
   where (entry.tx, entry.id) = (chain.tx, chain.id) and exists (select from is_foreign)
), waiting as (
  update audit_entry as entry
     set tx = '3'
   where exists (select from is_foreign)
     and not exists (select from audit_chain as chain where (chain.tx, chain.id) = (entry.tx, entry.id))
), chained as (
  update audit_chain
     set tx = '2', id = seq
   where exists (select from is_foreign)
)
update audit_mark
   set tx = '2', id = seq
 where exists (select from is_foreign)`,
);

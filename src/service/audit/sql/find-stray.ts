import { statement } from '../../postgres/sql.js';

/**
 * The first of what should not be there: an entry that was never sealed though later ones were, by the number of the next one that was;
 * or a part of the chain before what was pruned.
 */
export const findStray = statement<{ seq: string }>(
  'find-stray',
  `
with pruned as materialized (
  select seq from audit_mark where name = 'pruned'
), sealed as materialized (
  select seq, tx, id from audit_mark where name = 'sealed'
), inserted as (
  select entry.tx, entry.id
    from sealed, audit_entry as entry
   where (entry.tx, entry.id) <= (sealed.tx, sealed.id)
     and not exists (select from audit_chain as chain where chain.tx = entry.tx and chain.id = entry.id)
   order by entry.tx, entry.id
   limit 1
)
select coalesce((select min(chain.seq) from audit_chain as chain where (chain.tx, chain.id) > (inserted.tx, inserted.id)), sealed.seq) as seq
  from inserted, sealed
union all
select chain.seq from audit_chain as chain, pruned where chain.seq <= pruned.seq
 order by 1
 limit 1`,
);

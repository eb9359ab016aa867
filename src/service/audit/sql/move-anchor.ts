import { statement } from '../../postgres/sql.js';

/**
 * Moves the mark of what is pruned over the oldest sealed entries that are old enough. It stops at the first that is not, or whose entry
 * is gone: what was tampered with is not swept away. $1 age in days, $2 at most so many
 */
export const moveAnchor = statement<{ seq: string }>(
  'move-anchor',
  `
with oldest as materialized (
  select chain.seq, chain.hash, chain.tx, chain.id, entry.at
    from audit_chain as chain left join audit_entry as entry on (entry.tx, entry.id) = (chain.tx, chain.id)
   where chain.seq > (select seq from audit_mark where name = 'pruned')
   order by chain.seq
   limit $2
), old as (
  select oldest.*, bool_and(coalesce(at < now() - make_interval(days => $1), false)) over (order by seq) as all_old from oldest
), last as (
  select seq, hash, tx, id from old where all_old order by seq desc limit 1
)
update audit_mark
   set seq = last.seq, hash = last.hash, tx = last.tx, id = last.id
  from last
 where audit_mark.name = 'pruned' and audit_mark.seq < last.seq
returning audit_mark.seq`,
);

import { statement } from '../../postgres/sql.js';

/**
 * Moves the mark of what is pruned over the oldest blocks of which all entries are old enough, and there. It stops at the first that is
 * not so: what was tampered with is not swept away. $1 age in days, $2 over so many numbers at most
 */
export const moveAnchor = statement<{ seq: string }>(
  'move-anchor',
  `
with pruned as materialized (
  select seq, tx, id from audit_mark where name = 'pruned'
), oldest as materialized (
  select block.*, lag(block.tx, 1, pruned.tx) over (order by block.last) as after_tx, lag(block.id, 1, pruned.id) over (order by block.last) as after_id
    from pruned join audit_block as block on block.last > pruned.seq and block.last <= pruned.seq + $2::bigint
), old as (
  select oldest.*, bool_and(entries.there = last - first + 1 and entries.old = entries.there) over (order by last) as all_old
    from oldest,
         lateral (
           select count(*) as there, count(*) filter (where entry.at < now() - make_interval(days => $1)) as old
             from audit_entry as entry
            where (entry.tx, entry.id) > (oldest.after_tx, oldest.after_id) and (entry.tx, entry.id) <= (oldest.tx, oldest.id)) as entries
), last as (
  select last as seq, substring(hashes from octet_length(hashes) - 31) as hash, tx, id from old where all_old order by last desc limit 1
)
update audit_mark
   set seq = last.seq, hash = last.hash, tx = last.tx, id = last.id
  from last
 where audit_mark.name = 'pruned' and audit_mark.seq < last.seq
returning audit_mark.seq`,
);

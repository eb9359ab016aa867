import { statement } from '../../postgres/sql.js';

/**
 * After a dump was restored into another cluster, transaction ids begin anew, and new entries would come before old ones: see
 * rebase-events. Gives all that is there places with low ids, in the order that it has: sealed entries, with the blocks and marks that end
 * with them, of one id, and what waits to be sealed of the next. None of it is under a hash. Ids that a former restore gave are not given
 * again at once, so that no two rows have one place on the way. A transaction id that this very snapshot cannot know proves it; otherwise
 * nothing is changed.
 */
export const rebaseAudit = statement(
  'rebase-audit',
  `
with is_foreign as materialized (
  select where audit_is_foreign()
), low as materialized (
  select case when exists (select from audit_entry where tx in ('2', '3')) then 4 else 2 end as tx from is_foreign
), placed as materialized (
  select tx, id, is_entry, sum(is_entry) over (order by tx, id, is_entry desc rows unbounded preceding) as place
    from (
      select tx, id, 1 as is_entry from audit_entry
      union all
      select tx, id, 0 from audit_block
      union all
      select tx, id, 0 from audit_mark where seq > 0) as one
   where exists (select from is_foreign)
), entries as (
  update audit_entry as entry
     set tx = (low.tx + case when (entry.tx, entry.id) <= (sealed.tx, sealed.id) then 0 else 1 end)::text::xid8, id = placed.place
    from low, placed, audit_mark as sealed
   where sealed.name = 'sealed' and is_entry = 1 and (entry.tx, entry.id) = (placed.tx, placed.id)
), blocks as (
  update audit_block as block
     set tx = low.tx::text::xid8, id = placed.place
    from low, placed
   where is_entry = 0 and (block.tx, block.id) = (placed.tx, placed.id)
)
update audit_mark as mark
   set tx = low.tx::text::xid8, id = placed.place
  from low, placed
 where is_entry = 0 and seq > 0 and (mark.tx, mark.id) = (placed.tx, placed.id)`,
);

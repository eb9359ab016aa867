import { statement } from '../../postgres/sql.js';

/**
 * A seq before all that happened since a time, found by halving: numbers have no gaps. Times of entries follow their numbers but for the
 * length of a transaction, so it looks for a time ten minutes before. No row where the chain has a gap. $1 since
 */
export const findAuditSeq = statement<{ seq: string }>(
  'find-audit-seq',
  `
with recursive search (low, high) as (
  select pruned.seq, sealed.seq
    from audit_mark as pruned, audit_mark as sealed
   where pruned.name = 'pruned' and sealed.name = 'sealed'
  union all
  select case when entry.at < $1::timestamptz - interval '10 minutes' then middle.seq else low end,
         case when entry.at < $1::timestamptz - interval '10 minutes' then high else middle.seq - 1 end
    from search,
         lateral (select (low + high + 1) / 2 as seq) as middle
         join audit_chain as chain on chain.seq = middle.seq
         join audit_entry as entry on (entry.tx, entry.id) = (chain.tx, chain.id)
   where low < high
)
select low as seq from search where low >= high`,
);

import { statement } from '../../postgres/sql.js';

/**
 * After a dump was restored into another cluster, transaction ids begin anew: old events would come after all new ones, and readers
 * would wait for ids that are millions away. Gives such events the lowest id there is, and readers the place before the first event
 * they had not read. A transaction id that this very snapshot cannot know proves it; otherwise nothing is changed.
 */
export const rebaseEvents = statement(
  'rebase-events',
  `
with foreign_order as materialized (
  select from event where tx >= pg_snapshot_xmax(pg_current_snapshot()) limit 1
), reader as (
  update event_reader
     set tx = '3',
         id = coalesce((select min(event.id) - 1 from event where (event.tx, event.id) > (event_reader.tx, event_reader.id)),
                       (select max(event.id) from event))
   where exists (select from foreign_order)
)
update event
   set tx = '3'
 where exists (select from foreign_order)`,
);

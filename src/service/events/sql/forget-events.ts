import { statement } from '../../postgres/sql.js';

/**
 * Deletes the oldest events that are old enough and that the readers of the deployment have read; what was deleted is noted, so
 * that a client that comes back too late can be told. $1 age in seconds, $2 names of readers, $3 at most so many
 */
export const forgetEvents = statement<{ forgotten: number }>(
  'forget-events',
  `
with oldest as materialized (
  select tx, id, at from event order by tx, id limit $3 for update skip locked
), forgotten as (
  delete from event using oldest
   where event.tx = oldest.tx and event.id = oldest.id and oldest.at < now() - make_interval(secs => $1)
     and not exists (select from event_reader
                      where event_reader.name = any($2::text[]) and (event_reader.tx, event_reader.id) < (event.tx, event.id))
  returning event.tx, event.id
), noted as (
  update event_reader
     set tx = last.tx, id = last.id
    from (select tx, id from forgotten order by tx desc, id desc limit 1) as last
   where event_reader.name = 'forgotten' and (event_reader.tx, event_reader.id) < (last.tx, last.id)
)
select count(*)::integer as forgotten from forgotten`,
);

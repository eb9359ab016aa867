import { statement } from '../../postgres/sql.js';

/**
 * Deletes the oldest events that are old enough and that the readers of the deployment have read; always the first of all, none out
 * of the middle. Up to where is noted, so that a client that comes back too late can be told, and that the next search need not pass
 * over what is dead. $1 age in seconds, $2 names of readers, $3 at most so many
 */
export const forgetEvents = statement<{ forgotten: number }>(
  'forget-events',
  `
with oldest as materialized (
  select tx, id, at from event
   where (tx, id) > ((select tx from event_reader where name = 'forgotten'), (select id from event_reader where name = 'forgotten'))
   order by tx, id
   limit $3
     for update
), old as (
  select tx, id, bool_and(at < now() - make_interval(secs => $1)) over (order by tx, id) as all_old from oldest
), forgotten as (
  delete from event using old
   where event.tx = old.tx and event.id = old.id and old.all_old
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

import { EVENT_HORIZON, recordGroupEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { GROUP_EXPIRES } from './describe-group.js';

/**
 * Follows the events, and writes one for each group of which a task has ended and none is open any more. It is found out after
 * the fact, because two tasks that end at the same time cannot see one another; and by the events, because looking at the group
 * at the end of each task would cost each task. Whoever reads holds the reader's row, so replicas do not tell it twice; the row is
 * not even locked while there is nothing new. The end of a task that was known when the group was last told is no reason to tell it
 * again. $1 at most so many events
 */
export const resolveGroups = statement<{ read: number }>(
  'resolve-groups',
  `
with reader as materialized (
  select tx, id from event_reader
   where name = 'groups' and exists (select from event where (event.tx, event.id) > (event_reader.tx, event_reader.id))
     for update skip locked
), news as materialized (
  select event.tx, event.id, event.kind, event.task_group_id
    from event
   where (event.tx, event.id) > ((select tx from reader), (select id from reader)) and event.tx < ${EVENT_HORIZON}
   order by event.tx, event.id
   limit $1
), task_group as (
  update task_group
     set resolved_in = pg_current_snapshot()
   where task_group_id = any(array(select task_group_id from news where kind in ('task-completed', 'task-failed', 'task-exception')))
     and exists (select from news
                  where news.task_group_id = task_group.task_group_id
                    and kind in ('task-completed', 'task-failed', 'task-exception')
                    and not coalesce(pg_visible_in_snapshot(news.tx, resolved_in), false))
     and not exists (select from task
                      where task.task_group_id = task_group.task_group_id and task.state in ('unscheduled', 'pending', 'running'))
  returning *
), recorded as (
  ${recordGroupEvent('task_group', `'task-group-resolved'`, `json_build_object('expires', ${GROUP_EXPIRES}, 'sealed', sealed)`)}
), moved as (
  update event_reader
     set tx = last.tx, id = last.id
    from (select tx, id from news order by tx desc, id desc limit 1) as last
   where name = 'groups'
)
select count(*)::integer as read from news`,
);

import { EVENT_HORIZON, recordGroupEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { GROUP_EXPIRES } from './describe-group.js';

const ENDED = `kind in ('task-completed', 'task-failed', 'task-exception')`;

/** So many ended tasks are looked at again before it is worth writing down where the open ones begin. */
const WORTH = 100;

/** A query of the first open task of `task_group` in a range of task ids. */
function firstOpen(range: string): string {
  return `select task_id from task
                           where task.task_group_id = task_group.task_group_id and ${range} and state in ('unscheduled', 'pending', 'running')
                           order by task.task_group_id, task_id
                           limit 1`;
}

/**
 * Follows the events, and writes one for each group of which a task has ended and none is open any more. It is found out after
 * the fact, because two tasks that end at the same time cannot see one another; and by the events, because looking at the group
 * at the end of each task would cost each task. Whoever reads holds the reader's row, so replicas do not tell it twice; the row is
 * not even locked while there is nothing new. The end of a task that was known when the group was last told is no reason to tell it
 * again.
 * A look goes once round: from where the last one met an open task (`open_task_id`) to the end, then from the beginning. So it is of
 * the whole group wherever it begins, but steps over the tasks that have ended once, and not each time: 50 000 are 75 ms. A group that
 * somebody else has locked is not waited for just to write that down.
 * $1 at most so many events
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
), looked as materialized (
  select task_group_id, coalesce(open_task_id, '') as began,
         coalesce((${firstOpen(`task_id >= coalesce(open_task_id, '')`)}),
                  (${firstOpen('task_id < open_task_id')})) as met
    from task_group
   where task_group_id = any(array(select task_group_id from news where ${ENDED}))
     and exists (select from news
                  where news.task_group_id = task_group.task_group_id
                    and ${ENDED}
                    and not coalesce(pg_visible_in_snapshot(news.tx, resolved_in), false))
), gone_on as materialized (
  select task_group_id, met
    from task_group join looked using (task_group_id)
   where met < began
      or (select count(*) from (select from task
                                 where task.task_group_id = looked.task_group_id and task_id >= began and task_id < met
                                 limit ${WORTH}) as ended) = ${WORTH}
     for no key update of task_group skip locked
), remembered as (
  update task_group
     set open_task_id = met
    from gone_on
   where task_group.task_group_id = gone_on.task_group_id
), task_group as (
  update task_group
     set resolved_in = pg_current_snapshot()
    from looked
   where task_group.task_group_id = looked.task_group_id
     and looked.met is null
     and exists (select from news
                  where news.task_group_id = task_group.task_group_id
                    and ${ENDED}
                    and not coalesce(pg_visible_in_snapshot(news.tx, resolved_in), false))
  returning task_group.*
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

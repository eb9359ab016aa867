import { EVENT_HORIZON } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from '../../queue/sql/task-columns.js';

/** An event, and with it the task as the change left it; of an event of a group, the columns of the task are null. */
export interface EventRow extends TaskRow {
  tx: string;
  id: string;
  at: Date;
  kind: string;
  detail: Record<string, unknown> | null;
  /** Null when the definition is gone, or for more than 16 KiB of them. */
  tags: Record<string, string> | null;
  routes: string[] | null;
}

/** Without events there is one row that only tells the horizon. */
type Found = (EventRow | { tx: null }) & { horizon: string };

/**
 * The events after a position, in order, as far as no transaction under way can still put one before them: up to the horizon, which
 * each row tells. $1 tx, $2 id, $3 at most so many
 */
export const readEvents = statement<Found>(
  'read-events',
  `
with bound as materialized (
  select ${EVENT_HORIZON} as horizon
), task as materialized (
  select event.*, false as has_dependents from event
   where (event.tx, event.id) > ($1::xid8, $2::bigint) and event.tx < (select horizon from bound)
   order by event.tx, event.id
   limit $3
)
select bound.horizon, task.tx, task.id, task.at, task.kind, task.detail, ${TASK_COLUMNS},
       case when octet_length((task_definition.definition -> 'tags')::text) <= 16384 then task_definition.definition -> 'tags' end as tags,
       task_definition.definition -> 'routes' as routes
  from bound
       left join task on true
       left join task_definition on task_definition.task_id = task.task_id
 order by task.tx, task.id`,
);

import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

/** Gives a task that has not ended another priority. $1 task_id, $2 rank */
export const changePriority = statement<TaskRow>(
  'change-priority',
  `
with former as materialized (
  select task_id, rank from task
   where task_id = $1 and state in ('unscheduled', 'pending', 'running') and deadline > now()
     for no key update
), task as (
  update task
     set rank = $2
    from former
   where task.task_id = former.task_id
  returning task.*, former.rank as former_rank
), recorded as (
  ${recordEvent('task where rank <> former_rank', { kind: `'task-priority-changed'`, detail: `json_build_object('formerRank', former_rank)` })}
)
select ${TASK_COLUMNS}
  from task`,
);

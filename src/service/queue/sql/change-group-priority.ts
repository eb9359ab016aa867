import { recordEvent, recordGroupEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * Gives tasks of a group that have not ended another priority; the event of the group counts those of this statement.
 * $1 task_group_id, $2 rank, $3 at most so many
 */
export const changeGroupPriority = statement<{ taskId: string }>(
  'change-group-priority',
  `
with former as materialized (
  select task_id, rank from task
   where task_group_id = $1 and rank <> $2 and state in ('unscheduled', 'pending', 'running') and deadline > now()
   order by task_id
   limit $3
     for no key update
), task as (
  update task
     set rank = $2
    from former
   where task.task_id = former.task_id
  returning task.*, former.rank as former_rank
), recorded as (
  ${recordEvent('task', { kind: `'task-priority-changed'`, detail: `json_build_object('formerRank', former_rank)` })}
  returning tx
), changed as (
  select task_group_id, scheduler_id, $2::smallint as rank, (select count(*) from recorded) as tasks
    from task
   group by task_group_id, scheduler_id
), recorded_group as (
  ${recordGroupEvent('changed', `'task-group-priority-changed'`, `json_build_object('rank', rank, 'tasksAffected', tasks)`)}
)
select task_id as "taskId"
  from task`,
);

import { statement } from '../../postgres/sql.js';

/**
 * Forgets tasks half an hour after they expired, with all that belongs to them but their groups. A task outlives the credentials
 * of its runs: were it forgotten sooner, and its id used again, they would be those of a run they were not lent for. It outlives its
 * artifacts, too: another task of the same id must not inherit them. One that has not ended is ended first, and those who follow it
 * are told.
 * $1 at most so many, $2 seconds that credentials outlive the lease, $3 no more after so many bytes of definitions: each dependency is
 * 25 of them. 200 tasks of 10 000 dependencies took 9 s, and whoever follows events waits for the oldest transaction
 */
export const deleteExpired = statement<{ taskGroupId: string; found: number }>(
  'delete-expired',
  `
with candidate as materialized (
  select task_id, expires, size from task_definition
   where expires < now() - interval '30 minutes'
     and not exists (select from task
                      where task.task_id = task_definition.task_id
                        and (task.taken_until > now() - make_interval(secs => $2) or task.state in ('unscheduled', 'pending', 'running')))
     and not exists (select from past_run
                      where past_run.task_id = task_definition.task_id and past_run.taken_until > now() - make_interval(secs => $2))
     and not exists (select from artifact where artifact.task_id = task_definition.task_id)
   order by expires
   limit $1
     for update skip locked
), expired as materialized (
  select task_id
    from (select task_id, sum(size) over (order by expires, task_id) - size as before from candidate) as one
   where before <= $3
), definition as (
  delete from task_definition using expired where task_definition.task_id = expired.task_id
), run as (
  delete from past_run using expired where past_run.task_id = expired.task_id
), reduced as (
  delete from reduced_run using expired where reduced_run.task_id = expired.task_id
), used as (
  delete from scope_use using expired where scope_use.task_id = expired.task_id
), edge as (
  delete from task_dependency where dependent_task_id = any(array(select task_id from expired)) -- a join reads the whole table
)
delete from task using expired
 where task.task_id = expired.task_id
returning task.task_group_id as "taskGroupId", (select count(*)::integer from candidate) as found`,
);

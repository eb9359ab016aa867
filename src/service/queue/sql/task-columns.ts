import type { RunState, TaskState } from '../run-state.js';
import type { FoundSignature } from '../signature-verdict.js';

/** A row of `task` as every statement answers it. Times are Dates; what a run has not got yet is null. */
export interface TaskRow {
  taskId: string;
  taskQueueId: string;
  taskGroupId: string;
  schedulerId: string;
  projectId: string;
  rank: number;
  retriesLeft: number;
  deadline: Date;
  expires: Date;
  hasDependents: boolean;
  fence: number;
  /** By the database's clock, like `lapsed`: the process's may differ. */
  pastDeadline: boolean;
  state: TaskState;
  runId: number | null;
  reasonCreated: string | null;
  scheduled: Date | null;
  started: Date | null;
  workerGroup: string | null;
  workerId: string | null;
  takenUntil: Date | null;
  lapsed: boolean | null;
  resolved: Date | null;
  reasonResolved: string | null;
  /** What the queue found of the signature when the task was created. */
  signature: FoundSignature | null;
  /** What the worker found. */
  runSignature: FoundSignature | null;
  pastRuns: PastRun[] | null;
}

/** A run before the latest one, as JSON from Postgres: times are strings. */
export interface PastRun {
  runId: number;
  state: RunState;
  reasonCreated: string;
  scheduled: string;
  started: string | null;
  workerGroup: string | null;
  workerId: string | null;
  takenUntil: string | null;
  resolved: string;
  reasonResolved: string;
  runSignature: FoundSignature | null;
}

/** The one list of columns, for a relation called `task`. Only a task that was retried or rerun pays for its past runs. */
export const TASK_COLUMNS = `
       task.task_id as "taskId", task.task_queue_id as "taskQueueId", task.task_group_id as "taskGroupId",
       task.scheduler_id as "schedulerId", task.project_id as "projectId", task.rank, task.retries_left as "retriesLeft",
       task.deadline, task.deadline <= now() as "pastDeadline", task.expires, task.has_dependents as "hasDependents", task.fence,
       task.state, task.run_id as "runId", task.reason_created as "reasonCreated", task.scheduled, task.started,
       task.worker_group as "workerGroup", task.worker_id as "workerId", task.taken_until as "takenUntil",
       task.taken_until <= now() as lapsed, task.resolved, task.reason_resolved as "reasonResolved",
       task.signature, task.run_signature as "runSignature",
       case when task.run_id > 0 then (
         select json_agg(json_build_object(
                  'runId', past_run.run_id, 'state', past_run.state, 'reasonCreated', past_run.reason_created,
                  'scheduled', past_run.scheduled, 'started', past_run.started, 'workerGroup', past_run.worker_group,
                  'workerId', past_run.worker_id, 'takenUntil', past_run.taken_until, 'resolved', past_run.resolved,
                  'reasonResolved', past_run.reason_resolved, 'runSignature', past_run.run_signature) order by past_run.run_id)
           from past_run where past_run.task_id = task.task_id and past_run.run_id < task.run_id) end as "pastRuns"`;

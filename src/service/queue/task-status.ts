import { taskQueueNames } from '../http/identifiers.js';
import { priorityOf } from './priority.js';
import type { PastRun, TaskRow } from './sql/task-columns.js';
import type { TaskRun, TaskStatus } from './task.dto.js';

/** The wire's status of a task; what a run has not got is absent, not null. Field by field, without spreads: 3 µs instead of 4. */
export function statusOf(task: TaskRow): TaskStatus {
  const { provisionerId, workerType, taskQueueId } = taskQueueNames(task.taskQueueId);
  const status: TaskStatus = {
    taskId: task.taskId,
    provisionerId,
    workerType,
    taskQueueId,
    schedulerId: task.schedulerId,
    projectId: task.projectId,
    taskGroupId: task.taskGroupId,
    priority: priorityOf(task.rank),
    deadline: task.deadline.toISOString(),
    expires: task.expires.toISOString(),
    retriesLeft: task.retriesLeft,
    state: task.state,
    runs: runsOf(task),
  };
  if (task.signature !== null) status.signature = task.signature;
  return status;
}

/** The run of that number, be it the latest or a past one. */
export function runIn(task: TaskRow, runId: number): TaskRow | PastRun | undefined {
  return task.runId === runId ? task : task.pastRuns?.find((run) => run.runId === runId);
}

function runsOf(task: TaskRow): TaskRun[] {
  const runs = task.pastRuns?.map(runOf) ?? [];
  if (task.runId !== null) runs.push(runOf(task));
  return runs;
}

function runOf(run: TaskRow | PastRun): TaskRun {
  const shown = { runId: run.runId ?? 0, state: run.state, reasonCreated: run.reasonCreated ?? 'scheduled' } as TaskRun;
  if (run.reasonResolved !== null) shown.reasonResolved = run.reasonResolved;
  if (run.workerGroup !== null) shown.workerGroup = run.workerGroup;
  if (run.workerId !== null) shown.workerId = run.workerId;
  if (run.takenUntil !== null) shown.takenUntil = iso(run.takenUntil);
  shown.scheduled = iso(run.scheduled ?? 0);
  if (run.started !== null) shown.started = iso(run.started);
  if (run.resolved !== null) shown.resolved = iso(run.resolved);
  if (run.runSignature !== null) shown.signature = run.runSignature;
  return shown;
}

function iso(value: Date | string | number): string {
  return (value instanceof Date ? value : new Date(value)).toISOString();
}

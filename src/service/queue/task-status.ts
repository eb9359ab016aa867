import { taskQueueNames } from '../http/identifiers.js';
import { priorityOf } from './priority.js';
import type { PastRun, TaskRow } from './sql/task-columns.js';
import type { TaskRun, TaskStatus } from './task.dto.js';

/** The wire's status of a task; what a run has not got is absent, not null. */
export function statusOf(task: TaskRow): TaskStatus {
  return {
    taskId: task.taskId,
    ...taskQueueNames(task.taskQueueId),
    schedulerId: task.schedulerId,
    projectId: task.projectId,
    taskGroupId: task.taskGroupId,
    priority: priorityOf(task.rank),
    deadline: task.deadline.toISOString(),
    expires: task.expires.toISOString(),
    retriesLeft: task.retriesLeft,
    state: task.state,
    runs: [...(task.pastRuns ?? []).map(runOf), ...(task.runId === null ? [] : [runOf(task)])],
  };
}

function runOf(run: TaskRow | PastRun): TaskRun {
  return {
    runId: run.runId ?? 0,
    state: run.state,
    reasonCreated: run.reasonCreated ?? 'scheduled',
    ...(run.reasonResolved === null ? {} : { reasonResolved: run.reasonResolved }),
    ...(run.workerGroup === null ? {} : { workerGroup: run.workerGroup }),
    ...(run.workerId === null ? {} : { workerId: run.workerId }),
    ...time('takenUntil', run.takenUntil),
    scheduled: iso(run.scheduled ?? 0),
    ...time('started', run.started),
    ...time('resolved', run.resolved),
  };
}

function time<K extends string>(name: K, value: Date | string | null) {
  return value === null ? {} : ({ [name]: iso(value) } as Record<K, string>);
}

function iso(value: Date | string | number): string {
  return new Date(value).toISOString();
}

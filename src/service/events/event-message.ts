import { taskQueueNames } from '../http/identifiers.js';
import { priorityOf } from '../queue/priority.js';
import type { TaskRun } from '../queue/task.dto.js';
import { statusOf } from '../queue/task-status.js';
import type { EventRow } from './sql/read-events.js';

const TASK_EVENTS = [
  'task-defined',
  'task-pending',
  'task-running',
  'task-completed',
  'task-failed',
  'task-exception',
  'task-priority-changed',
  'artifact-created',
] as const;
const GROUP_EVENTS = ['task-group-resolved', 'task-group-sealed', 'task-group-priority-changed'] as const;
/** Told in streams only: listeners of AMQP know the kinds of the wire protocol. */
const STREAM_EVENTS = ['task-scopes-reduced'] as const;
export const PUBLISHED_KINDS = [...TASK_EVENTS, ...GROUP_EVENTS] as const;
export const EVENT_KINDS = [...PUBLISHED_KINDS, ...STREAM_EVENTS] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What an event says, in the shape of the wire protocol's messages; and of whom it is. */
export interface EventMessage {
  kind: EventKind;
  /** Undefined for events of groups. */
  taskId?: string;
  taskQueueId?: string;
  taskGroupId: string;
  schedulerId: string;
  /** The run it is about, if it is about one. */
  run?: TaskRun;
  /** Extra routing keys that the task asked for. */
  routes: readonly string[];
  payload: Record<string, unknown>;
}

const VERSION = 1;

/** Throws for a kind that nobody writes. */
export function messageOf(row: EventRow): EventMessage {
  const kind = row.kind as EventKind;
  const { taskGroupId, schedulerId } = row;
  if ((GROUP_EVENTS as readonly string[]).includes(kind)) {
    return { kind, taskGroupId, schedulerId, routes: [], payload: { version: VERSION, taskGroupId, schedulerId, ...groupPart(row) } };
  }
  const status = statusOf(row);
  const runId = (row.detail?.runId as number | undefined) ?? row.runId;
  const run = runId === null || kind === 'task-defined' || kind === 'task-priority-changed' ? undefined : status.runs[runId];
  return {
    kind,
    taskId: row.taskId,
    ...taskQueueNames(row.taskQueueId),
    taskGroupId,
    schedulerId,
    ...(run ? { run } : {}),
    routes: row.routes ?? [],
    payload: { version: VERSION, status, ...taskPart(kind, run, row) },
  };
}

function taskPart(kind: EventKind, run: TaskRun | undefined, { tags, detail, rank }: EventRow): Record<string, unknown> {
  if (kind === 'task-priority-changed') return { oldPriority: priorityOf(detail?.formerRank as number), newPriority: priorityOf(rank) };
  const held = run ? heldPart(kind, run) : {};
  if (kind === 'artifact-created') return { ...held, artifact: detail?.artifact };
  if (kind === 'task-scopes-reduced') return { ...held, ...reducedPart(detail) };
  return { ...held, task: { tags: tags ?? {} } };
}

/** The worker is named once there is one, and its lease while it counts. */
function heldPart(kind: EventKind, { runId, workerGroup, workerId, takenUntil }: TaskRun): Record<string, unknown> {
  if (kind === 'task-pending') return { runId };
  const worker = workerGroup === undefined ? {} : { workerGroup, workerId };
  return { runId, ...worker, ...(kind === 'task-running' ? { takenUntil } : {}) };
}

function reducedPart(detail: EventRow['detail']): Record<string, unknown> {
  const { lost, lostCount, creator, because } = detail ?? {};
  return { lost, lostCount, creator, because };
}

function groupPart({ kind, detail }: EventRow): Record<string, unknown> {
  const { expires, sealed, rank, tasksAffected } = detail as Record<string, string | number | null>;
  if (kind === 'task-group-priority-changed') return { newPriority: priorityOf(rank as number), tasksAffected };
  return { expires: iso(expires), ...(sealed ? { sealed: iso(sealed) } : {}) };
}

function iso(timestamp: string | number | null | undefined): string {
  return new Date(timestamp ?? 0).toISOString();
}

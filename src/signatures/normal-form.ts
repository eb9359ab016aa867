import { deepFrozen } from './json-value.js';
import type { Definition } from './task-payload.js';
import { readTimestamp } from './timestamp.js';

/** What an absent member of a definition means. Frozen: all definitions that leave one out share it. */
export const DEFAULTS = deepFrozen({
  schedulerId: '-',
  projectId: 'none',
  dependencies: [],
  requires: 'all-completed',
  routes: [],
  priority: 'lowest',
  retries: 5,
  scopes: [],
  tags: {},
  extra: {},
} as const);

/** A definition that has no normal form: a member is missing, null, unknown, or contradicts another one. The message names it and the fix. */
export class NormalFormError extends Error {}

type Given = Readonly<Record<string, unknown>>;

const MEMBERS = new Set([
  ...['provisionerId', 'workerType', 'taskQueueId', 'schedulerId', 'projectId', 'taskGroupId', 'dependencies', 'requires', 'routes'],
  ...['priority', 'retries', 'created', 'deadline', 'expires', 'scopes', 'payload', 'metadata', 'tags', 'extra'],
]);

/**
 * The form in which a definition is stored and answered: all that its creator left out is filled in, and times are brought to
 * milliseconds, so that two ways to say the same are the same. A definition is signed in this form: whoever filled something in
 * afterwards would break the signature. Whether the values are good ones is for the queue to say. Throws NormalFormError.
 */
export function normalForm(taskId: string, given: Given): Definition {
  const strange = Object.keys(given).filter((name) => !MEMBERS.has(name) && given[name] !== undefined);
  if (strange.length > 0) throw new NormalFormError(`A definition has no ${strange.join(', ')}; leave it out`);
  const empty = Object.keys(given).filter((name) => given[name] === null);
  if (empty.length > 0) throw new NormalFormError(`null stands for nothing in a definition; leave out ${empty.join(', ')}`);
  const deadline = milliseconds('deadline', given.deadline);
  const created = milliseconds('created', given.created);
  const [provisionerId, workerType] = queueOf(given);
  // by name: with these spread, V8 took 27 µs to make this one, now 6
  return {
    provisionerId,
    workerType,
    taskQueueId: `${provisionerId}/${workerType}`,
    schedulerId: given.schedulerId ?? DEFAULTS.schedulerId,
    projectId: given.projectId ?? DEFAULTS.projectId,
    taskGroupId: given.taskGroupId ?? taskId,
    dependencies: given.dependencies ?? DEFAULTS.dependencies,
    requires: given.requires ?? DEFAULTS.requires,
    routes: given.routes ?? DEFAULTS.routes,
    priority: given.priority ?? DEFAULTS.priority,
    retries: given.retries ?? DEFAULTS.retries,
    created,
    deadline,
    expires: given.expires === undefined ? aYearAfter(deadline) : milliseconds('expires', given.expires),
    scopes: given.scopes ?? DEFAULTS.scopes,
    payload: there('payload', given.payload),
    metadata: membersOf('metadata', given.metadata),
    tags: given.tags ?? DEFAULTS.tags,
    extra: given.extra ?? DEFAULTS.extra,
  };
}

function queueOf({ taskQueueId, provisionerId, workerType }: Given): [string, string] {
  for (const [name, value] of Object.entries({ taskQueueId, provisionerId, workerType }))
    if (value !== undefined && typeof value !== 'string') throw new NormalFormError(`${name} must be a text`);
  if (taskQueueId === undefined && (provisionerId === undefined || workerType === undefined)) {
    throw new NormalFormError('The task names no task queue; send taskQueueId, or both provisionerId and workerType');
  }
  const [provisioner, type] = taskQueueId === undefined ? [provisionerId, workerType] : String(taskQueueId).split('/');
  const agree = (provisionerId ?? provisioner) === provisioner && (workerType ?? type) === type;
  if (!agree || (taskQueueId ?? `${provisioner}/${type}`) !== `${provisioner}/${type}`) {
    throw new NormalFormError(
      `taskQueueId ${taskQueueId} is not <provisionerId>/<workerType>; send one of the two ways, or let them agree`,
    );
  }
  return [String(provisioner), String(type)];
}

function there(name: string, value: unknown): unknown {
  if (value === undefined) throw new NormalFormError(`The task has no ${name}; set it`);
  return value;
}

/** As a plain object: a service may have them in one of a class. */
function membersOf(name: string, value: unknown): object {
  const object = there(name, value);
  if (typeof object !== 'object' || Array.isArray(object)) throw new NormalFormError(`${name} must be an object`);
  return { ...object };
}

function milliseconds(name: string, timestamp: unknown): string {
  const date = readTimestamp(there(name, timestamp));
  if (date === undefined) throw new NormalFormError(`${name} must be an RFC 3339 date-time, for example 2026-11-22T12:00:00.000Z`);
  return date.toISOString();
}

function aYearAfter(timestamp: string): string {
  const date = new Date(timestamp);
  date.setUTCFullYear(date.getUTCFullYear() + 1);
  if (date.getUTCFullYear() > 9999)
    throw new NormalFormError('A year after that deadline no timestamp is left; set expires, or an earlier deadline');
  return date.toISOString();
}

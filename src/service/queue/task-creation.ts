import type { ScopeTemplate } from '../../scopes/scope-expression.js';
import type { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import type { Caller, Creator } from '../http/caller.js';
import { assertNoDoubleStar } from '../http/scope-rules.js';
import { atLeast, rankOf } from './priority.js';
import type { TaskState } from './run-state.js';
import type { CreateTaskRequest } from './task.dto.js';
import { assertTimely, digestOf, normalizeDefinition, type Signed, type StoredDefinition } from './task-definition.js';

/** The creator must hold all that the task may do, and may ask for a priority by holding that of a higher one. */
export const CREATE_TASK_SCOPES: ScopeTemplate = {
  AllOf: [
    { for: 'scope', in: 'scopes', each: '<scope>' },
    { for: 'route', in: 'routes', each: 'queue:route:<route>' },
    'queue:create-task:project:<projectId>',
    'queue:scheduler-id:<schedulerId>',
    { AnyOf: [{ for: 'priority', in: 'priorities', each: 'queue:create-task:<priority>:<taskQueueId>' }] },
  ],
};

/** A definition that may be stored, if what is stored already allows it. */
export interface NewTask {
  taskId: string;
  definition: StoredDefinition;
  digest: Buffer;
  /** The definition as it is stored. */
  json: string;
  creator: Creator;
  signed: Signed;
}

/** What a dependent must know of a task: under its lock, or because we create it ourselves. */
export interface RequiredTask {
  state: TaskState;
  expires: Date;
}

/** An edge whose required task ended well enough is satisfied. */
export interface Edge {
  required: string;
  satisfied: boolean;
}

/** The definition, normalised, if the caller may create it. Throws InputError, InsufficientScopes. */
export function authorizedDefinition(taskId: string, request: CreateTaskRequest, caller: Caller): StoredDefinition {
  const { signature: _, ...members } = request;
  const definition = normalizeDefinition(taskId, members);
  const { scopes, routes, projectId, schedulerId, priority, taskQueueId } = definition;
  // first: without it nobody makes us look through megabytes of scopes
  caller.require('queue:create-task:project:<projectId>', { projectId });
  caller.require(CREATE_TASK_SCOPES, { scopes, routes, projectId, schedulerId, taskQueueId, priorities: atLeast(priority) });
  return definition;
}

export type Limits = Pick<Config, 'taskMaxDependencies' | 'maxTaskDeadlineDays' | 'maxTaskSize'>;

/** Throws InputError or InputTooLarge for what would be a mistake now, whatever is stored. */
export function newTask(taskId: string, definition: StoredDefinition, signed: Signed, creator: Creator, limits: Limits): NewTask {
  const { scopes, dependencies } = definition;
  assertNoDoubleStar(scopes);
  if (dependencies.length > limits.taskMaxDependencies) {
    throw new ApiError(
      'InputError',
      `The task has ${dependencies.length} dependencies; this service allows ${limits.taskMaxDependencies} (TASK_MAX_DEPENDENCIES)`,
    );
  }
  assertTimely(definition, Date.now(), limits.maxTaskDeadlineDays);
  const json = JSON.stringify(definition);
  assertSmall(json, limits.maxTaskSize);
  return { taskId, definition, digest: digestOf(definition, signed), json, creator, signed };
}

/** Throws InputTooLarge for what would fill the heap once a few read it at once: parsed, JSON can take 25 times its bytes. */
function assertSmall(json: string, most: number): void {
  const size = Buffer.byteLength(json);
  if (size <= most) return;
  const fix = 'let the task download what is large, for example from an artifact';
  throw new ApiError('InputTooLarge', `The task's definition is ${size} bytes; this service allows ${most} (MAX_TASK_SIZE): ${fix}`);
}

/** The edges of a new task and how many of them it waits for. Throws InputError for tasks that are missing or expire too early. */
export function dependenciesOf(
  { taskId, definition: { dependencies, requires, deadline } }: NewTask,
  found: ReadonlyMap<string, RequiredTask>,
): { edges: Edge[]; unsatisfied: number } {
  const missing = dependencies.filter((dependency) => dependency !== taskId && !found.has(dependency));
  const until = Date.parse(deadline);
  const expiring = dependencies.filter((dependency) => (found.get(dependency)?.expires.getTime() ?? until) < until);
  if (missing.length > 0) refuseDependencies('do not exist', 'create them first', missing);
  if (expiring.length > 0) refuseDependencies(`expire before the deadline ${deadline}`, 'let them expire later', expiring);
  const anyOutcome = requires === 'all-resolved';
  const satisfied = dependencies.map((dependency) => satisfies(found.get(dependency)?.state, anyOutcome));
  return {
    // a task that waits for itself waits for scheduleTask: its own edge counts, but must never be satisfied by its end
    edges: dependencies.map((required, index) => ({ required, satisfied: satisfied[index] === true || required === taskId })),
    unsatisfied: satisfied.filter((done) => !done).length,
  };
}

function satisfies(state: TaskState | undefined, anyOutcome: boolean): boolean {
  return state === 'completed' || (anyOutcome && (state === 'failed' || state === 'exception'));
}

function refuseDependencies(problem: string, fix: string, taskIds: string[]): never {
  const named = taskIds.slice(0, 20).join(', ') + (taskIds.length > 20 ? ` and ${taskIds.length - 20} more` : '');
  throw new ApiError('InputError', `${taskIds.length} dependencies ${problem}; ${fix}: ${named}`);
}

/** What is stored of a task that exists. */
interface Known {
  digest: Buffer;
  jws: string | null;
}

/** Throws RequestConflict: only the same definition may be sent again under the id of a task that exists. */
export function assertSame({ taskId, digest, signed }: NewTask, known: Known | undefined): void {
  if (known?.digest.equals(digest) || (known?.jws && known.jws === signed.jws)) return; // what is found of one signature may change
  throw new ApiError('RequestConflict', `Task ${taskId} exists already with another definition or signature; choose a new task id`);
}

/** Throws RequestConflict if the group does not take this task. */
export function assertTakes(
  group: { schedulerId: string; sealed: Date | null } | undefined,
  { taskGroupId, schedulerId }: StoredDefinition,
): void {
  if (!group) return;
  if (group.sealed) throw new ApiError('RequestConflict', `Task group ${taskGroupId} is sealed; create the task in another group`);
  if (group.schedulerId === schedulerId) return;
  throw new ApiError(
    'RequestConflict',
    `Task group ${taskGroupId} belongs to schedulerId ${group.schedulerId}, not ${schedulerId}; use one of your own`,
  );
}

/** Of new tasks, a list for each: task id, definition, digest, scopes as JSON, retries, expires. */
export function definitionColumns(tasks: readonly NewTask[]): unknown[] {
  const of = <T>(read: (task: NewTask) => T) => tasks.map(read);
  return [
    of(({ taskId }) => taskId),
    of(({ json }) => json),
    of(({ digest }) => digest),
    of(({ definition }) => JSON.stringify(definition.scopes)),
    of(({ definition }) => definition.retries),
    of(({ definition }) => definition.expires),
  ];
}

/** Of a new task: the client that is behind it, since when that is there, the run that created it, and runs further up. */
export function creatorValues({ creator: { clientId, since, run, elders } }: NewTask): unknown[] {
  return [clientId, since, run, elders.length > 0 ? elders.join(' ') : null];
}

/** The same of several, a list for each. */
export function creatorColumns(tasks: readonly NewTask[]): unknown[] {
  const values = tasks.map(creatorValues);
  return [0, 1, 2, 3].map((column) => values.map((of) => of[column]));
}

/** Of a new task: its signature, and what was found of it, as JSON. */
export function signatureValues({ signed: { jws, verdict } }: NewTask): [jws: string | null, verdict: string | null] {
  return [jws ?? null, verdict ? JSON.stringify(verdict) : null];
}

/** The same of several, a list for each. */
export function signatureColumns(tasks: readonly NewTask[]): unknown[] {
  const values = tasks.map(signatureValues);
  return [values.map(([jws]) => jws), values.map(([, verdict]) => verdict)];
}

/** Of new tasks, a list for each: task queue, group, scheduler, project, rank. */
export function identityColumns(tasks: readonly NewTask[]): unknown[] {
  const of = <T>(read: (definition: StoredDefinition) => T) => tasks.map(({ definition }) => read(definition));
  return [
    of(({ taskQueueId }) => taskQueueId),
    of(({ taskGroupId }) => taskGroupId),
    of(({ schedulerId }) => schedulerId),
    of(({ projectId }) => projectId),
    of(({ priority }) => rankOf(priority)),
  ];
}

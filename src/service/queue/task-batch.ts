import { ApiError } from '../http/api-error.js';
import type { Authority } from '../http/authority.js';
import type { Caller } from '../http/caller.js';
import type { CheckSignature } from './check-signature.js';
import type { CreateTasksRequest } from './create-tasks.dto.js';
import { findCycle } from './dependency-cycle.js';
import { authorizedDefinition, type Limits, type NewTask, newTask } from './task-creation.js';
import type { StoredDefinition } from './task-definition.js';

/** Who reports on a task that a batch depends on waits until all edges are written: half a second for so many. */
const MOST_EDGES = 20_000;

/** A new task of a batch, and its place in the request, by which refusals name it. */
export type NumberedTask = NewTask & { index: number };

/** What of a batch can be checked before it is compared with what is stored, in as many steps. Throws InputError, InsufficientScopes. */
export function* checkBatch(
  tasks: CreateTasksRequest['tasks'],
  caller: Caller,
  signatures: CheckSignature,
  authority: Authority,
  limits: Limits,
): Generator<void, NumberedTask[]> {
  const definitions: StoredDefinition[] = [];
  for (const [index, { taskId, task }] of tasks.entries()) {
    definitions.push(refusedAs(index, () => authorizedDefinition(taskId, task, caller)));
    yield;
  }
  refuseTwice(tasks);
  const batch: NumberedTask[] = [];
  for (const [index, definition] of definitions.entries()) {
    const { taskId, task } = tasks[index]!;
    const signed = refusedAs(index, () => signatures.check(taskId, definition, task.signature));
    const creator = authority.trace(caller.creator, definition.scopes);
    batch.push({ index, ...refusedAs(index, () => newTask(taskId, definition, signed, creator, limits)) });
    yield;
  }
  refuseEdges(batch);
  return batch;
}

/** What is refused of a task is refused by its place in the request. */
export function refusedAs<T>(index: number, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof ApiError) throw new ApiError(error.code, `tasks[${index}]: ${error.message}`, { detail: error.detail });
    throw error;
  }
}

function refuseTwice(tasks: readonly { taskId: string }[]): void {
  const first = new Map<string, number>();
  for (const [index, { taskId }] of tasks.entries()) {
    const other = first.get(taskId);
    if (other !== undefined) throw new ApiError('InputError', `tasks[${index}] has the task id of tasks[${other}]; each needs its own`);
    first.set(taskId, index);
  }
}

function refuseEdges(batch: NumberedTask[]): void {
  const edges = batch.reduce((sum, { definition }) => sum + definition.dependencies.length, 0);
  if (edges > MOST_EDGES) {
    throw new ApiError('InputError', `The tasks have ${edges} dependencies; a request may have ${MOST_EDGES}: create them in parts`);
  }
  const circle = findCycle(batch.map(({ taskId, definition: { dependencies } }) => ({ taskId, dependencies })));
  if (!circle) return;
  const named = circle.slice(0, 20).map((index) => `tasks[${index}]`);
  const way = [...named, ...(circle.length > 20 ? [`${circle.length - 20} more`] : []), `tasks[${circle[0]}]`].join(' on ');
  throw new ApiError('InputError', `The tasks depend on one another in a circle, and none could ever start: ${way}; leave one out`);
}

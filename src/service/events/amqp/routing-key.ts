import { taskQueueNames } from '../../http/identifiers.js';
import type { EventKind, EventMessage } from '../event-message.js';

/* Where a message goes; names and order are the wire protocol's. */

const KIND = 'primary'; // keys that tasks ask for begin otherwise, so no route can pass for one of these
const NONE = '_';

export function exchangeOf(kind: EventKind): string {
  return `exchange/taskcluster-queue/v1/${kind}`;
}

/** No word of it can hold a dot, and the longest key is the 255 bytes that AMQP allows. */
export function routingKeyOf({ taskId, taskQueueId, taskGroupId, schedulerId, run }: EventMessage): string {
  if (taskId === undefined || taskQueueId === undefined) return [KIND, taskGroupId, schedulerId, NONE].join('.');
  const { provisionerId, workerType } = taskQueueNames(taskQueueId);
  const { runId = NONE, workerGroup = NONE, workerId = NONE } = run ?? {};
  return [KIND, taskId, runId, workerGroup, workerId, provisionerId, workerType, schedulerId, taskGroupId, NONE].join('.');
}

/** The keys of the CC header. They are no AMQP short strings: a route of 249 characters that are more bytes is no problem. */
export function ccOf({ routes }: EventMessage): string[] {
  return routes.map((route) => `route.${route}`);
}

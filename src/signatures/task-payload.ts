import { jsonProblem } from './json-value.js';
import { isInstant } from './verification-key.js';

/** Which deployment, task and runs a definition is signed for, and for how long. Times are unix seconds. */
export interface SigningContext {
  /** The deployment, by a name that signers and workers agree on. */
  audience: string;
  taskId: string;
  taskQueueId: string;
  /** When it was signed. */
  iat: number;
  /** From when on it is good no more. */
  exp: number;
  /** How often it may be run: runs 0 to maxRuns - 1. */
  maxRuns: number;
}

export type Definition = Readonly<Record<string, unknown>>;

/** What is signed. Signer and verifier have the list of its members from here, so neither forgets one. */
export interface TaskPayload {
  _type: typeof PAYLOAD_TYPE;
  aud: string;
  taskId: string;
  taskQueueId: string;
  iat: number;
  exp: number;
  maxRuns: number;
  definition: Definition;
}

const PAYLOAD_TYPE = 'leasehold-task/v1';

/** A task has runs 0 to 1000. */
const MOST_RUNS = 1001;

const isText = (value: unknown): value is string => typeof value === 'string' && value.length >= 1 && value.length <= 1024;

/** Each member, and what it must be. */
const MEMBERS: Record<keyof TaskPayload, { is: (value: unknown) => boolean; wanted: string }> = {
  _type: { is: (value) => value === PAYLOAD_TYPE, wanted: PAYLOAD_TYPE },
  aud: { is: isText, wanted: 'a text, the name of a deployment' },
  taskId: { is: (value) => isText(value) && /^[A-Za-z0-9_-]{22}$/.test(value), wanted: 'the id of a task: 22 characters' },
  taskQueueId: {
    is: (value) => isText(value) && /^[^/\p{Cc}]+\/[^/\p{Cc}]+$/u.test(value),
    wanted: '<provisionerId>/<workerType>',
  },
  iat: { is: isInstant, wanted: 'a time in unix seconds' },
  exp: { is: isInstant, wanted: 'a time in unix seconds' },
  maxRuns: { is: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_RUNS, wanted: `1 to ${MOST_RUNS}` },
  definition: { is: (value) => typeof value === 'object' && value !== null && !Array.isArray(value), wanted: 'a JSON object' },
};

export function payloadOf({ audience, ...context }: SigningContext, definition: Definition): TaskPayload {
  const { taskId, taskQueueId, iat, exp, maxRuns } = context;
  return { _type: PAYLOAD_TYPE, aud: audience, taskId, taskQueueId, iat, exp, maxRuns, definition };
}

/** Why a value is not what may be signed, if so. Names only: what a definition says is nobody's business who reads logs. */
export function payloadProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object';
  const payload = value as TaskPayload;
  const names = Object.keys(MEMBERS) as (keyof TaskPayload)[];
  const strange = Object.keys(payload).filter((name) => !Object.hasOwn(MEMBERS, name));
  if (strange.length > 0)
    return `it has members that a signed task does not have: ${strange.map((name) => JSON.stringify(name)).join(', ')}`;
  for (const name of names)
    if (!Object.hasOwn(payload, name) || !MEMBERS[name].is(payload[name])) return `${name} must be ${MEMBERS[name].wanted}`;
  if (payload.exp <= payload.iat) return 'exp must be after iat';
  const problem = jsonProblem(payload);
  if (problem !== undefined) return problem;
  const { taskQueueId } = payload.definition;
  return taskQueueId === undefined || taskQueueId === payload.taskQueueId ? undefined : 'the taskQueueId of its definition is another one';
}

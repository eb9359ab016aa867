import { isScope } from '../scopes/scope.js';
import type { StatusReference } from './status-list.js';
import { TokenError } from './token-error.js';

/**
 * What a task token is for, as its header says it: access to a resource (RFC 9068), or to tell a cloud which run asks, for credentials of
 * its own. By the type neither passes for the other.
 */
export type TaskTokenType = 'at+jwt' | 'JWT';

/** By which algorithm each is signed, and believed: an identity is for clouds, some of which only take RSA. */
export const ALG_OF = { 'at+jwt': 'ES256', JWT: 'RS256' } as const satisfies Record<TaskTokenType, string>;

/** The claims of a task token. Times are unix seconds. */
export interface TaskClaims {
  iss: string;
  /** `task-run:<taskId>/<runId>` */
  sub: string;
  /** One: whoever is one of several could use the token with the others. */
  aud: string;
  /** Of an access token: the client id of the run's own credentials. */
  client_id?: string;
  iat: number;
  nbf: number;
  exp: number;
  jti: string;
  /** Of an access token that has scopes: they, separated by spaces. */
  scope?: string;
  task: string;
  run: number;
  task_queue: string;
  /** `<workerGroup>/<workerId>` */
  worker: string;
  group: string;
  project: string;
  fence: number;
  /** The thumbprint of the key whose holder alone may use it. */
  cnf?: { jkt: string };
  status: StatusReference;
}

/** Seconds, from a token's beginning to its end. Ours end with a lease; what claims to live for years is not one of them. */
const LONGEST_LIFE = 31 * 86_400;

/** The last second of the year 9999: a time in milliseconds is not taken for one. */
const LAST_SECOND = 253_402_300_799;

const MOST_RUNS = 1_000;

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && /^[\x21-\x7e]{1,2048}$/.test(value);
const isTime: Check = (value) => isCount(value) && (value as number) > 0 && (value as number) <= LAST_SECOND;
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isThumbprint: Check = (value) => typeof value === 'string' && /^[\w-]{43}$/.test(value);
const isAbsent: Check = (value) => value === undefined;
const orAbsent =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const OF_BOTH: Record<string, Check> = {
  iss: isText,
  sub: isText,
  aud: isText,
  iat: isTime,
  nbf: isTime,
  exp: isTime,
  jti: isText,
  task: (value) => typeof value === 'string' && /^[\w-]{22}$/.test(value),
  run: (value) => isCount(value) && (value as number) <= MOST_RUNS,
  task_queue: isText,
  worker: (value) => typeof value === 'string' && /^[\w-]{1,38}\/[\w-]{1,38}$/.test(value),
  group: isText,
  project: isText,
  fence: isCount,
  status: (value) => isObjectOf(value, { status_list: (list) => isObjectOf(list, { idx: isCount, uri: isText }) }),
  // another kind of confirmation is one that we would not ask for
  cnf: orAbsent((value) => isObjectOf(value, { jkt: isThumbprint })),
};

const CHECKS: Record<TaskTokenType, [name: string, check: Check][]> = {
  'at+jwt': Object.entries({
    ...OF_BOTH,
    client_id: isText,
    scope: orAbsent((value) => typeof value === 'string' && value.split(' ').every(isScope)),
  }),
  JWT: Object.entries({ ...OF_BOTH, client_id: isAbsent, scope: isAbsent }),
};

/** Whom a token is about. */
export function subjectOf(taskId: string, runId: number): string {
  return `task-run:${taskId}/${runId}`;
}

/** Throws TokenError unless the claims of a task token are all there, each of its kind, and in keeping with one another. */
export function assertTaskClaims(claims: object, type: TaskTokenType): asserts claims is TaskClaims {
  const given = new Map(Object.entries(claims));
  const wrong = CHECKS[type].filter(([name, check]) => !check(given.get(name))).map(([name]) => name);
  if (wrong.length > 0) throw new TokenError('claims', `The claims of the token are not those of a task token: ${wrong.join(', ')}`);
  const { sub, task, run, iat, nbf, exp } = claims as TaskClaims;
  if (sub !== subjectOf(task, run)) throw new TokenError('claims', 'The sub of the token is not the run that it names');
  if (nbf >= exp || iat >= exp || exp - iat > LONGEST_LIFE) throw new TokenError('claims', 'The times of the token contradict one another');
}

/** Whether it is an object of just these members. */
function isObjectOf(value: unknown, checks: Record<string, Check>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const members = new Map(Object.entries(value));
  return members.size === Object.keys(checks).length && Object.entries(checks).every(([name, check]) => check(members.get(name)));
}

import { isVerifyingAlg, type PublicKey, publicKeyOf, SECRET_MEMBERS, VERIFYING_ALGS } from './algorithms.js';
import { deepFrozen } from './json-value.js';

/** A public key, and what it is good for. Times are unix seconds. */
export interface VerificationKey extends Readonly<PublicKey> {
  readonly kid: string;
  /** Who holds the private half, in words. */
  readonly owner?: string;
  readonly nbf?: number;
  readonly exp?: number;
  readonly revoked: boolean;
  /** Ids of task queues, or beginnings of such followed by `*`. Absent: all. */
  readonly taskQueues?: readonly string[];
}

const KEY_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg', 'use', 'key_ops', 'owner', 'nbf', 'exp', 'revoked', 'taskQueues'];

export const KID_PATTERN = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;
export const isKid = (kid: unknown): kid is string => typeof kid === 'string' && KID_PATTERN.test(kid);

const QUEUE_PATTERN = /^(\*|[a-zA-Z0-9_/-]{1,77}\*?)$/;
const isQueuePattern = (pattern: unknown): pattern is string => typeof pattern === 'string' && QUEUE_PATTERN.test(pattern);

/** More than any time in seconds that is meant; fewer than nearly any in milliseconds. */
const LATEST = 1e11;
export const isInstant = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < LATEST;

/** The key, or why it is none: by its kid, and never by its bytes. */
export function readKey(jwk: unknown, index: number): VerificationKey | string {
  const place = `key no. ${index + 1}`;
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return `${place} is not a JSON object`;
  const members = jwk as Record<string, unknown>;
  const { kid, alg } = members;
  if (kid === undefined) return `${place} has no kid`;
  if (!isKid(kid)) return `${place} has a kid that is not 1 to 128 printable ASCII characters without space, " and \\`;
  const problems = keyProblems(members);
  if (problems.length > 0) return `key ${kid} ${problems.join(', and ')}`;
  try {
    const { owner, nbf, exp, revoked = false, taskQueues } = members as Partial<VerificationKey>;
    const limits = { ...(owner !== undefined && { owner }), ...(nbf !== undefined && { nbf }), ...(exp !== undefined && { exp }) };
    const queues = taskQueues && { taskQueues: deepFrozen([...taskQueues]) };
    return Object.freeze({ ...publicKeyOf(alg as PublicKey['alg'], members), kid, revoked, ...limits, ...queues });
  } catch (error) {
    return `key ${kid} is no key: ${error instanceof TypeError ? error.message : 'it cannot be read'}`;
  }
}

function keyProblems(jwk: Record<string, unknown>): string[] {
  const { kty, alg, use, key_ops, owner, nbf, exp, revoked, taskQueues } = jwk;
  if (kty === 'oct') return ['is symmetric: who verifies by it could sign'];
  if (SECRET_MEMBERS.some((name) => Object.hasOwn(jwk, name)))
    return ['is a private key: give the verifiers its public half, and replace it'];
  const problems: string[] = [];
  for (const name of Object.keys(jwk))
    if (!KEY_MEMBERS.includes(name)) problems.push(`has a member ${JSON.stringify(name)}, which means nothing here`);
  if (alg === undefined) problems.push('has no alg');
  else if (alg === 'Ed25519') problems.push('has alg Ed25519; here that is called EdDSA');
  else if (!isVerifyingAlg(alg)) problems.push(`has an alg that is not one of ${VERIFYING_ALGS.join(', ')}`);
  if (use !== undefined && use !== 'sig') problems.push('is not for signatures (use is not sig)');
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.length === 1 && key_ops[0] === 'verify'))
    problems.push('is not for verifying (key_ops is not ["verify"])');
  if (owner !== undefined && (typeof owner !== 'string' || owner.length > 256 || !owner.isWellFormed()))
    problems.push('has an owner that is no text of up to 256 characters');
  if (revoked !== undefined && typeof revoked !== 'boolean') problems.push('has revoked that is neither true nor false');
  problems.push(...instantProblem('has nbf:', nbf), ...instantProblem('has exp:', exp));
  if (isInstant(nbf) && isInstant(exp) && nbf >= exp) problems.push('is never valid: its exp is not after its nbf');
  if (taskQueues !== undefined && !(Array.isArray(taskQueues) && taskQueues.length > 0 && taskQueues.every(isQueuePattern)))
    problems.push('has taskQueues that are not a list of ids of task queues, or of beginnings of such with a * at the end');
  return problems;
}

export function instantProblem(name: string, value: unknown): string[] {
  return value === undefined || isInstant(value) ? [] : [`${name} not a time in unix seconds`];
}

export type KeyState = 'valid' | 'not yet valid' | 'expired' | 'revoked';

/** What a key is at that time. It begins and ends `skew` seconds generously, for clocks differ; `revoked` does not. */
export function keyStateAt({ revoked, nbf = 0, exp = LATEST }: VerificationKey, now: number, skew = 0): KeyState {
  if (revoked) return 'revoked';
  if (now + skew < nbf) return 'not yet valid';
  return now - skew >= exp ? 'expired' : 'valid';
}

/** Whether it may sign for that task queue. A pattern is matched from the beginning on, and to the end unless it ends in `*`. */
export function signsFor({ taskQueues }: VerificationKey, taskQueueId: string): boolean {
  if (taskQueues === undefined) return true;
  return taskQueues.some((pattern) => (pattern.endsWith('*') ? taskQueueId.startsWith(pattern.slice(0, -1)) : taskQueueId === pattern));
}

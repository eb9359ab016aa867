import { createHash } from 'node:crypto';
import { type VerifyingAlg, verifiesBytes } from './algorithms.js';
import { canonicalJson } from './canonical-json.js';
import { type CompactJws, readCompactJws } from './compact-jws.js';
import { deepFrozen, shownName } from './json-value.js';
import type { KeySet } from './key-set.js';
import { SignatureError } from './signature-error.js';
import { type Definition, payloadProblem, type TaskPayload } from './task-payload.js';
import { keyStateAt, signsFor, type VerificationKey } from './verification-key.js';

/** What a signature must be for: of these none may come from the signature itself. */
export interface Expectation {
  audience: string;
  taskId: string;
  taskQueueId: string;
  /** The run that is about to begin; 0 where the task is created. */
  runId: number;
  /** Our clock, unix seconds. */
  now: number;
  /** How far other clocks may be from ours, either way, in seconds. */
  skew: number;
}

/** A definition that somebody who is believed has signed for just this, and all there is to be told about that. Frozen to the ground. */
export interface VerifiedTask {
  readonly definition: Definition;
  readonly kid: string;
  readonly alg: VerifyingAlg;
  /** The key's, RFC 7638. */
  readonly thumbprint: string;
  /** SHA-256 of what was signed, in hex. Two signatures may be over the same; this tells what they are over. */
  readonly payloadDigest: string;
  readonly iat: number;
  readonly exp: number;
  readonly maxRuns: number;
}

const MOST_SKEW = 600;

/**
 * The definition that was signed, parsed from the bytes that were verified: run that one, never the queue's copy. Where the copy is given
 * and is not the same, somebody has changed it, and nothing is to be run. Throws SignatureError, and never anything else.
 */
export function verifyTask(
  jws: string | undefined,
  expectation: Expectation,
  keySet: KeySet | undefined,
  queuesCopy?: unknown,
): VerifiedTask {
  return checked(jws, expectation, (parts) => {
    const key = vouchedBy(parts, keySet, expectation);
    const task = taskIn(parts, key, expectation, queuesCopy);
    return deepFrozen({ ...task, thumbprint: key.thumbprint });
  });
}

/**
 * The same but for the key: what a signature says of whom it is and of what, for who has no keys, and refuses what no key could make good.
 * Nothing of it is to be believed. Throws SignatureError, and never anything else.
 */
export function inspectTask(jws: string | undefined, expectation: Expectation, queuesCopy?: unknown): Omit<VerifiedTask, 'thumbprint'> {
  return checked(jws, expectation, (parts) => deepFrozen(taskIn(parts, {}, expectation, queuesCopy)));
}

function checked<T>(jws: string | undefined, expectation: Expectation, check: (parts: CompactJws) => T): T {
  try {
    assertSane(expectation);
    if (jws === undefined || jws === null || jws === '') throw new SignatureError('signature-missing', 'The task is not signed');
    if (typeof jws !== 'string') throw new SignatureError('signature-malformed', 'The signature is malformed: it is no text');
    const parts = readCompactJws(jws);
    return withClaims(parts, () => check(parts));
  } catch (cause) {
    throw typed(cause);
  }
}

/** Whatever is wrong, it is told whose signature that was, by its own word. */
function withClaims<T>({ kid, payload }: CompactJws, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    const error = typed(cause);
    error.claimed = { kid, payloadDigest: digestOf(payload) };
    throw error;
  }
}

function typed(cause: unknown): SignatureError {
  if (cause instanceof SignatureError) return cause;
  return new SignatureError('signature-check-error', 'The signature could not be checked; it is neither good nor bad', { cause });
}

function vouchedBy({ alg, kid, signed, signature }: CompactJws, keySet: KeySet | undefined, expectation: Expectation): VerificationKey {
  const key = keyOf(keySet, kid, expectation);
  if (alg !== key.alg) throw new SignatureError('signature-invalid', `Key ${kid} signs by ${key.alg}, not by ${alg}`);
  if (verifiesBytes(key, signed, signature)) return key;
  throw new SignatureError('signature-invalid', `The signature is not one of key ${kid} over that task`);
}

function taskIn(
  { alg, kid, payload }: CompactJws,
  { nbf }: Pick<VerificationKey, 'nbf'>,
  expectation: Expectation,
  queuesCopy: unknown,
): Omit<VerifiedTask, 'thumbprint'> {
  const [task, text] = readPayload(payload);
  assertContext(task, expectation);
  assertTimely(task, { kid, nbf }, expectation);
  if (queuesCopy !== undefined) assertSame(task, text, queuesCopy);
  const { definition, iat, exp, maxRuns } = task;
  return { definition, kid, alg, payloadDigest: digestOf(payload), iat, exp, maxRuns };
}

const digestOf = (payload: Buffer) => createHash('sha256').update(payload).digest('hex');

/** Milliseconds would make all that has expired good for thousands of years, and NaN is never beyond anything. */
function assertSane({ audience, taskId, taskQueueId, runId, now, skew }: Expectation): void {
  const texts = [audience, taskId, taskQueueId].every((text) => typeof text === 'string' && text !== '');
  if (!texts || !Number.isSafeInteger(runId) || runId < 0) throw new TypeError('audience, taskId, taskQueueId and runId must be given');
  if (!(now >= 1e9 && now < 1e11)) throw new TypeError('now must be in unix seconds');
  if (!(skew >= 0 && skew <= MOST_SKEW)) throw new TypeError(`skew must be 0 to ${MOST_SKEW} seconds`);
}

function keyOf(keySet: KeySet | undefined, kid: string, { now, skew, taskQueueId }: Expectation): VerificationKey {
  if (!keySet) throw new SignatureError('keyset-unavailable', 'There is no key set to verify signatures by');
  if (keySet.expires !== undefined && now - skew >= keySet.expires)
    throw new SignatureError('keyset-unavailable', `The key set expired at ${at(keySet.expires)}; get a newer one`);
  const key = keySet.keys[kid];
  if (!key) throw new SignatureError('signature-unknown-key', `The key set (version ${keySet.version}) has no key ${kid}`);
  const state = keyStateAt(key, now, skew);
  if (state !== 'valid') throw new SignatureError('signature-key-not-valid', `Key ${kid} is ${state}`);
  if (!signsFor(key, taskQueueId))
    throw new SignatureError('signature-key-not-allowed', `Key ${kid} may not sign for task queue ${taskQueueId}`);
  return key;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Only its canonical text is taken: of that there is one, so no two parsers can read two things in it. */
function readPayload(bytes: Buffer): [task: TaskPayload, text: string] {
  const refuse = (what: string) => new SignatureError('signature-payload-invalid', `What was signed is not a task: ${what}`);
  let text: string;
  let value: TaskPayload;
  try {
    text = UTF8.decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw refuse('it is not JSON in UTF-8'); // the cause may quote it
  }
  const problem = payloadProblem(value);
  if (problem !== undefined) throw refuse(problem);
  if (canonicalJson(value) !== text) throw refuse('it is not in its canonical form (RFC 8785)');
  return [value, text];
}

function assertContext({ aud, taskId, taskQueueId, maxRuns }: TaskPayload, expected: Expectation): void {
  const refuse = (what: string) => new SignatureError('signature-context-mismatch', `The task was signed for ${what}`);
  if (aud !== expected.audience) throw refuse(`another deployment, ${JSON.stringify(aud)}, not ${JSON.stringify(expected.audience)}`);
  if (taskId !== expected.taskId) throw refuse(`another taskId, ${taskId}, not ${expected.taskId}`);
  if (taskQueueId !== expected.taskQueueId)
    throw refuse(`another task queue, ${JSON.stringify(taskQueueId)}, not ${JSON.stringify(expected.taskQueueId)}`);
  if (expected.runId >= maxRuns) throw refuse(`${maxRuns} runs, and this would be run ${expected.runId}, counted from 0`);
}

function assertTimely(
  { iat, exp }: TaskPayload,
  { kid, nbf = 0 }: { kid: string; nbf?: number | undefined },
  { now, skew }: Expectation,
): void {
  const clock = `; the clock of this machine says ${at(now)}`;
  if (iat - skew > now)
    throw new SignatureError('signature-not-yet-valid', `The task was signed at ${at(iat)}${clock}: set it, or that of the signer`);
  if (now - skew >= exp) throw new SignatureError('signature-expired', `The signature was good until ${at(exp)}${clock}`);
  if (iat + skew < nbf) throw new SignatureError('signature-key-not-valid', `The task was signed before key ${kid} was valid`);
}

/**
 * Whoever signed it, and for whatever: throws SignatureError definition-mismatch if the queue's copy is not what was signed, and nothing where
 * nobody can tell.
 */
export function assertUnchanged(jws: string, queuesCopy: unknown): void {
  try {
    const parts = readCompactJws(jws);
    withClaims(parts, () => assertSame(...readPayload(parts.payload), queuesCopy));
  } catch (error) {
    if (error instanceof SignatureError && error.code === 'definition-mismatch') throw error;
  }
}

/**
 * The queue, or who controls it, has changed what was signed, if this throws. It tells which members, not what they say. `text` is the
 * canonical one of the task: with the copy in its place it must be the same.
 */
function assertSame(task: TaskPayload, text: string, copy: unknown): void {
  const { definition } = task;
  if (textOf({ ...task, definition: copy }) === text) return;
  const other = typeof copy === 'object' && copy !== null ? (copy as Definition) : {};
  const names = [...new Set([...Object.keys(definition), ...Object.keys(other)])];
  const differing = names.filter((name) => textOf(definition[name]) !== textOf(other[name])).sort();
  const shown = differing.slice(0, 10).map(shownName);
  const where = differing.length > 10 ? [...shown, '…'] : shown;
  throw new SignatureError(
    'definition-mismatch',
    `The queue's copy is not what was signed; it differs in ${where.join(', ') || 'all of it'}`,
  );
}

/** Undefined where there is none. A copy may come from anywhere: what is no JSON equals nothing that was signed. */
function textOf(value: unknown): string | undefined {
  try {
    return canonicalJson(value);
  } catch {
    return undefined;
  }
}

const at = (seconds: number) => new Date(seconds * 1000).toISOString();

import { generateKey } from '../src/signatures/generate-key.js';
import { readKeySet } from '../src/signatures/key-set.js';
import { signTask } from '../src/signatures/sign-task.js';
import { SignatureError } from '../src/signatures/signature-error.js';
import { signerOf } from '../src/signatures/signer.js';
import { type Expectation, verifyTask } from '../src/signatures/verify-task.js';

/*
 * A thousand signed definitions, altered, recombined and replayed: none is accepted, and each refusal has its code. FC_SEED takes another
 * seed. They are small ones, so that each byte of each can be changed in half a minute.
 */

const SEED = Number(process.env.FC_SEED ?? 6);
const COUNT = 1000;
Error.stackTraceLimit = 0; // half a million refusals, of which half the time went into stacks

const NOW = 1_800_000_000;
const TIME_LIMIT = 300_000;
console.log(`FC_SEED=${SEED}`);

/** A small generator of numbers (mulberry32): the same seed, the same fuzz. */
let state = SEED;
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let bits = Math.imul(state ^ (state >>> 15), 1 | state);
  bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
  return ((bits ^ (bits >>> 14)) >>> 0) % below;
}

const keys = [generateKey('EdDSA', { kid: 'a' }), generateKey('ES256', { kid: 'b' }), generateKey('ES256', { kid: 'c' })];
const keySet = readKeySet(JSON.stringify({ version: 1, keys: keys.map(({ publicJwk }) => publicJwk) }));
const signers = keys.map(({ privateJwk }) => signerOf(privateJwk));

interface Signed {
  jws: string;
  definition: Record<string, unknown>;
  expected: Expectation;
}

const idOf = (nth: number) => `${String(nth).padStart(8, '0')}TPSVFNUvaOlinQ`;

async function signedTask(nth: number): Promise<Signed> {
  const [audience, taskId, taskQueueId] = [`tasks-${nth % 4}`, idOf(nth), `p/${['linux', 'mac'][nth % 2]}`];
  const payload = { command: ['make', nth], env: { A: String.fromCodePoint(0xe0 + (nth % 500)) }, on: nth % 2 === 0 };
  const definition = { scopes: [`s:${nth / 8}`], payload };
  const context = { audience, taskId, taskQueueId, iat: NOW, exp: NOW + 60 + nth, maxRuns: 1 + (nth % 5) };
  const jws = await signTask(signers[nth % signers.length]!, context, definition);
  return { jws, definition, expected: { audience, taskId, taskQueueId, runId: nth % context.maxRuns, now: NOW, skew: 0 } };
}

const tasks: Signed[] = [];
beforeAll(async () => {
  for (let nth = 0; nth < COUNT; nth++) tasks.push(await signedTask(nth));
});

/** How often each code was seen; what is accepted, or refused by anything else, fails the test. */
class Refusals {
  readonly seen: Record<string, number> = {};
  count = 0;

  of(jws: string, expected: Expectation, copy?: unknown): void {
    this.count++;
    const code = refusalOf(jws, expected, copy);
    this.seen[code] = (this.seen[code] ?? 0) + 1;
  }
}

function refusalOf(jws: string, expected: Expectation, copy?: unknown): string {
  try {
    verifyTask(jws, expected, keySet, copy);
  } catch (error) {
    if (error instanceof SignatureError) return error.code;
    throw error;
  }
  throw new Error(`accepted: ${jws} for ${JSON.stringify(expected)}`);
}

it('(1) all of them are good as they are', () => {
  for (const { jws, definition, expected } of tasks) expect(verifyTask(jws, expected, keySet, definition).definition).toEqual(definition);
});

it(
  '(6) with a byte changed none is accepted',
  () => {
    const refusals = new Refusals();
    for (const { jws, expected } of tasks) {
      const bytes = Buffer.from(jws, 'latin1');
      for (let at = 0; at < bytes.length; at++) {
        const was = bytes[at]!;
        bytes[at] = was ^ (1 + random(255));
        refusals.of(bytes.toString('latin1'), expected);
        bytes[at] = was;
      }
    }
    expect(refusals.count).toBe(tasks.reduce((sum, { jws }) => sum + jws.length, 0));
    expect(refusals.count).toBeGreaterThan(400 * COUNT);
    expect(Object.keys(refusals.seen).sort()).toEqual(
      ['signature-invalid', 'signature-malformed', 'signature-unknown-key'].filter((code) => refusals.seen[code]),
    );
    expect(refusals.seen['signature-invalid']).toBeGreaterThan(80 * COUNT);
  },
  TIME_LIMIT,
);

it('(5, 6) with a bit of what was signed, or of the signature, changed none is accepted', () => {
  const refusals = new Refusals();
  for (const { jws, expected } of tasks) {
    const parts = jws.split('.');
    for (const part of [1, 1, 2, 2]) {
      const bytes = Buffer.from(parts[part]!, 'base64url');
      bytes[random(bytes.length)]! ^= 1 << random(8);
      refusals.of(parts.with(part, bytes.toString('base64url')).join('.'), expected);
    }
  }
  expect(refusals.seen).toEqual({ 'signature-invalid': refusals.count });
});

it('(26) with the header, the payload or the signature of another none is accepted', () => {
  const refusals = new Refusals();
  for (const [nth, { jws, expected }] of tasks.entries()) {
    const [parts, others] = [jws.split('.'), tasks[(nth + 1 + random(COUNT - 1)) % COUNT]!.jws.split('.')];
    for (const part of [0, 1, 2]) {
      const swapped = parts.with(part, others[part]!).join('.');
      if (swapped !== jws) refusals.of(swapped, expected);
    }
    refusals.of([others[0], others[1], parts[2]].join('.'), expected);
  }
  expect(refusals.count).toBeGreaterThan(3 * COUNT);
  expect(refusals.seen).toEqual({ 'signature-invalid': refusals.count });
});

it('(35, 36, 37, 38, 39) replayed on another task, queue, deployment, run or time none is accepted', () => {
  const refusals = new Refusals();
  for (const [nth, { jws, expected }] of tasks.entries()) {
    const other = tasks[(nth + 1) % COUNT]!.expected;
    refusals.of(jws, other);
    for (const name of ['taskId', 'taskQueueId', 'audience'] as const) refusals.of(jws, { ...expected, [name]: other[name] });
    refusals.of(jws, { ...expected, runId: 1 + (nth % 5) + random(1000) });
    refusals.of(jws, { ...expected, now: NOW + 60 + nth });
    refusals.of(jws, { ...expected, now: NOW - 1 });
  }
  expect(refusals.seen).toEqual({
    'signature-context-mismatch': 5 * COUNT,
    'signature-expired': COUNT,
    'signature-not-yet-valid': COUNT,
  });
});

it("(2, 7) with another's definition as the queue's copy none is accepted", () => {
  const refusals = new Refusals();
  for (const [nth, { jws, expected }] of tasks.entries()) refusals.of(jws, expected, tasks[(nth + 1) % COUNT]!.definition);
  expect(refusals.seen).toEqual({ 'definition-mismatch': COUNT });
});

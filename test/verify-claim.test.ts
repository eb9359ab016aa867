import { inspect } from 'node:util';
import { readKeySet } from '../src/signatures/key-set.js';
import { SignatureError } from '../src/signatures/signature-error.js';
import { ClaimRefused, HOLD_BACK } from '../src/worker/claims/claim-refused.js';
import type { Run } from '../src/worker/claims/seen-runs.js';
import { refusalReport, verdictReport } from '../src/worker/claims/verdict-report.js';
import { assertCanVerify, type Terms, verifyClaim } from '../src/worker/claims/verify-claim.js';
import { SetupError } from '../src/worker/state/setup-error.js';
import { AUDIENCE, type Claim, CREATOR, claimOf, definitionOf, KEYS, NOW, TASK_QUEUE } from './support/signed-claims.js';

/* What a worker makes of a claim, by its own policy and the queue's. What a hostile queue can think of is in hostile-queue.test.ts. */

const DEFINITION = definitionOf({ command: ['make', 'all'], env: { FOO: 'hunter2' } });

/** Which runs were asked about, and which began. */
class Runs {
  readonly asked: string[] = [];
  readonly begun = new Map<string, number>();

  begin({ taskId, runId }: Run, exp: number): boolean {
    const run = `${taskId}/${runId}`;
    this.asked.push(run);
    return !this.begun.has(run) && Boolean(this.begun.set(run, exp));
  }

  assertCanBegin(): void {}
}

let seen: Runs;
let claim: Claim;
beforeEach(async () => {
  seen = new Runs();
  claim = await claimOf(DEFINITION);
});

const verify = (given: Claim, terms: Partial<Terms> = {}) =>
  verifyClaim(given, { policy: 'off', taskQueueId: TASK_QUEUE, audience: AUDIENCE, now: NOW, skew: 60, keySet: KEYS, seen, ...terms });

function refusal(given: Claim, terms: Partial<Terms> = {}): ClaimRefused {
  try {
    verify(given, terms);
  } catch (error) {
    if (error instanceof ClaimRefused) return error;
    throw error;
  }
  throw new Error('it was cleared');
}

const isFrozen = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
const OTHER_KEYS = readKeySet(JSON.stringify({ version: 1, keys: [{ ...CREATOR.publicJwk, kid: 'other' }] }));

const unsigned = () => ({ ...claim, signature: undefined });
const changed = () => ({ ...claim, task: { ...claim.task, scopes: ['*'] } });
/** An hour after the signature has ended. */
const LATE = { now: NOW + 7200 };

it('(1, 75) what is signed is verified, and the queue is told who stands for it', () => {
  const cleared = verify(claim, { policy: 'require' });
  expect(cleared).toMatchObject({ taskId: claim.status.taskId, runId: 0, definition: DEFINITION, verdict: 'verified' });
  expect(verdictReport(cleared)).toEqual({
    verdict: 'verified',
    kid: 'creator',
    thumbprint: KEYS.keys.creator!.thumbprint,
    payloadDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

describe('(59) the stricter policy of worker and queue decides', () => {
  it.each([
    ['off', 'off', 'unchecked'],
    ['off', undefined, 'unchecked'],
    ['off', 'warn', 'failed'],
    ['off', 'require', 'refused'],
    ['warn', 'off', 'failed'],
    ['warn', undefined, 'failed'],
    ['warn', 'warn', 'failed'],
    ['warn', 'require', 'refused'],
    ['require', 'off', 'refused'],
    ['require', undefined, 'refused'],
    ['require', 'warn', 'refused'],
    ['require', 'require', 'refused'],
    ['off', 'Off', 'refused'],
    ['off', null, 'refused'],
    ['off', 'strict', 'refused'],
    ['off', ['off'], 'refused'],
    ['off', 0, 'refused'],
    ['Off', 'off', 'refused'],
    [undefined, 'off', 'refused'],
  ])('the worker says %j and the queue %j: what is not signed is %s', (policy, signaturePolicy, outcome) => {
    const given = { ...unsigned(), signaturePolicy };
    const terms = { policy: policy as Terms['policy'] };
    if (outcome === 'refused') expect(refusal(given, terms)).toMatchObject({ reason: 'signature-missing', code: 'signature-missing' });
    else expect(verify(given, terms).verdict).toBe(outcome);
  });
});

describe('required', () => {
  it.each([undefined, null, ''])('(55) what has signature %j ends with signature-missing', (signature) => {
    const refused = refusal({ ...claim, signature });
    expect(refusalReport(refused)).toEqual({ reason: 'signature-missing', signature: { code: 'signature-missing' } });
    expect(refused).toMatchObject({ elsewhere: false, run: { taskId: claim.status.taskId, runId: 0 } });
  });

  it('(55) what is signed for something else ends with signature-invalid, and whose signature it was is told', async () => {
    const late = refusal(claim, LATE);
    const payloadDigest = verify(claim).payloadDigest;
    expect(refusalReport(late)).toEqual({
      reason: 'signature-invalid',
      signature: { code: 'signature-expired', kid: 'creator', payloadDigest },
    });
    expect(late.elsewhere).toBe(false);
  });

  it('(62) only a key that is not known may be known to another worker; this one holds back', () => {
    expect(refusal(claim, { keySet: OTHER_KEYS })).toMatchObject({ code: 'signature-unknown-key', elsewhere: true, kid: 'creator' });
    for (const given of [unsigned(), changed(), { ...claim, signature: 'x' }, null]) expect(refusal(given).elsewhere).toBe(false);
    expect(HOLD_BACK).toBeGreaterThanOrEqual(20); // longer than others wait in claimWork before they ask again
  });

  it('(50) without a key set, or with one that has expired, nothing is claimed', () => {
    const expired = readKeySet(JSON.stringify({ version: 1, expires: NOW, keys: [CREATOR.publicJwk] }));
    for (const keySet of [undefined, expired]) {
      const check = () => assertCanVerify({ policy: 'require', keySet, now: NOW, seen });
      expect(check).toThrow(SignatureError);
      expect(check).toThrow(/keyset-unavailable: No work is claimed: signatures are required, and the key set/);
      expect(() => assertCanVerify({ policy: 'Require' as 'require', keySet, now: NOW, seen })).toThrow(SignatureError);
      for (const policy of ['off', 'warn'] as const) expect(() => assertCanVerify({ policy, keySet, now: NOW, seen })).not.toThrow();
    }
    for (const keySet of [KEYS, readKeySet(JSON.stringify({ version: 1, expires: NOW + 1, keys: [CREATOR.publicJwk] }))])
      expect(() => assertCanVerify({ policy: 'require', keySet, now: NOW, seen })).not.toThrow();
  });

  it('(50) a set that has expired is good for what was claimed already as long as clocks may differ', () => {
    const expiring = (expires: number) => ({ keySet: readKeySet(JSON.stringify({ version: 1, expires, keys: [CREATOR.publicJwk] })) });
    expect(verify(claim, expiring(NOW - 59)).verdict).toBe('verified');
    expect(refusal(claim, expiring(NOW - 60)).code).toBe('keyset-unavailable');
    expect(() => assertCanVerify({ policy: 'require', ...expiring(NOW), now: NOW, seen })).toThrow(/has expired/);
  });

  it('(50) and so where runs cannot be remembered, under any policy, for the queue can raise it', () => {
    const full = { begin: () => true, assertCanBegin: () => { throw new SetupError('no more can be remembered'); } }; // biome-ignore format: one thing
    for (const policy of ['off', 'warn', 'require'] as const)
      expect(() => assertCanVerify({ policy, keySet: KEYS, now: NOW, seen: full as unknown as Terms['seen'] })).toThrow(
        'no more can be remembered',
      );
  });

  it.each(['off', 'require'] as const)('(50) what was claimed already by who asks for %s is left to other workers', (policy) => {
    const refused = refusal(claim, { policy, keySet: undefined });
    expect(refused).toMatchObject({ code: 'keyset-unavailable', kid: 'creator', elsewhere: false, ownFault: true });
    expect(refusalReport(refused)).toEqual({ reason: 'worker-shutdown' });
  });

  it('(55) what is wrong with a claim is no fault of the worker', () => {
    const deep = [1000, 100_000].map((levels) => ({ ...claim, task: JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) }));
    for (const given of [unsigned(), changed(), { ...claim, signature: 'x' }, ...deep, null, undefined])
      expect(refusal(given).ownFault).toBe(false);
  });
});

describe('warned', () => {
  const warned = { policy: 'warn' } as const;
  beforeEach(() => {
    claim.signaturePolicy = 'warn';
  });

  it('(56) what is not signed runs, and is marked', () => {
    const cleared = verify(unsigned(), warned);
    expect(cleared.definition).toEqual(DEFINITION);
    expect(verdictReport(cleared)).toEqual({ verdict: 'failed', code: 'signature-missing' });
  });

  it.each<[string, () => Claim, Partial<Terms>]>([
    ['signature-malformed', () => ({ ...claim, signature: 'x' }), {}],
    ['signature-unknown-key', () => claim, { keySet: OTHER_KEYS }],
    ['signature-invalid', () => ({ ...claim, signature: `${claim.signature.slice(0, -4)}AAAA` }), {}],
    ['signature-expired', () => claim, LATE],
    ['signature-context-mismatch', () => claim, { audience: 'https://other.example.com' }],
    ['keyset-unavailable', () => claim, { keySet: undefined }],
  ])('(56) so does what has %s', (code, given, terms) => {
    expect(verify(given(), { ...warned, ...terms })).toMatchObject({ verdict: 'failed', code, definition: DEFINITION });
  });

  it('(56, 63) whose signature it is by its own word is told, and no thumbprint, for nobody vouches', () => {
    const payloadDigest = verify(claim).payloadDigest;
    seen.begun.clear();
    const report = verdictReport(verify(claim, { ...warned, keySet: OTHER_KEYS }));
    expect(report).toEqual({ verdict: 'failed', code: 'signature-unknown-key', kid: 'creator', payloadDigest });
  });

  it.each<[string, Partial<Terms>]>([
    ['a key that is not known', { keySet: OTHER_KEYS }],
    ['no key set', { keySet: undefined }],
    ['a signature that has expired', LATE],
    ['one for another deployment', { audience: 'https://other.example.com' }],
  ])('(57) nor, beside %s, one that is not what was signed', (_, terms) => {
    expect(refusal(changed(), { policy: 'warn', ...terms })).toMatchObject({ code: 'definition-mismatch', kid: 'creator' });
  });

  it('(56) a signature by an unknown key is told of', () => {
    expect(verify(claim, { policy: 'warn', keySet: OTHER_KEYS })).toMatchObject({ verdict: 'failed', code: 'signature-unknown-key' });
  });

  it('(57) a definition that is not the signed one is refused', () => {
    expect(refusal(changed(), warned)).toMatchObject({ reason: 'signature-invalid', code: 'definition-mismatch', kid: 'creator' });
    expect(refusal({ ...claim, task: undefined }, warned).code).toBe('definition-mismatch');
  });

  it('(58) where the check fails, so is the task', () => {
    const inMilliseconds = refusal(claim, { ...warned, now: NOW * 1000 });
    expect(inMilliseconds).toMatchObject({ reason: 'worker-shutdown', code: 'signature-check-error', ownFault: true });
    const keySet = { ...KEYS, keys: { creator: { ...KEYS.keys.creator!, key: undefined } } } as unknown as Terms['keySet'];
    expect(refusal(claim, { ...warned, keySet }).code).toBe('signature-check-error');
  });

  it.each<[string, () => Claim, Partial<Terms>]>([
    ['not signed', unsigned, {}],
    ['signed by a key that was not known', () => claim, { keySet: OTHER_KEYS }],
    ['signed, without a key set', () => claim, { keySet: undefined }],
    ['signed badly', () => ({ ...claim, signature: 'x' }), {}],
  ])('(41) what was begun and was %s is refused, also once it is verified, for five days', (_, given, terms) => {
    verify(given(), { ...warned, ...terms });
    expect([...seen.begun.values()]).toEqual([NOW + 5 * 86_400]);
    for (const again of [given(), claim, unsigned()])
      expect(refusal(again, warned)).toMatchObject({ reason: 'signature-invalid', code: 'signature-context-mismatch' });
  });

  it('(41) what was begun is refused, signed or not', () => {
    verify(claim, warned);
    expect(refusal(claim, warned)).toMatchObject({ reason: 'signature-invalid', code: 'signature-context-mismatch', kid: 'creator' });
    expect(refusal(unsigned(), warned)).toMatchObject({ reason: 'signature-invalid', code: 'signature-context-mismatch' });
  });
});

describe('a run', () => {
  it('(41) that is signed is cleared once, and remembered until its signature ends', () => {
    verify(claim);
    expect([...seen.begun]).toEqual([[`${claim.status.taskId}/0`, NOW + 3600]]);
    const again = refusal(claim);
    expect(again).toMatchObject({ reason: 'signature-invalid', code: 'signature-context-mismatch', elsewhere: false });
    expect(again.message).toMatch(/was begun by this worker before/);
    expect(verify({ ...claim, runId: 1, status: { ...claim.status, runs: [{ runId: 0 }, { runId: 1 }] } }).runId).toBe(1);
  });

  const noSpace = Object.assign(new Error('hunter2'), { code: 'ENOSPC' });
  it.each<[string, Error, RegExp]>([
    ['for its setup', new SetupError('no more can be remembered'), /no more can be remembered/],
    ['for who knows what', new Error('hunter2'), /could not be checked$/],
    ['for want of space', noSpace, /could not be checked \(ENOSPC\)$/],
  ])('(41, 58) that cannot be remembered %s is refused, and left to other workers', (_, error, why) => {
    const full = { begin: () => { throw error; } }; // biome-ignore format: one thing
    const refused = refusal({ ...claim, signaturePolicy: 'warn' }, { policy: 'warn', seen: full as unknown as Terms['seen'] });
    expect(refused).toMatchObject({ code: 'signature-check-error', kid: 'creator', ownFault: true });
    expect(refusalReport(refused)).toEqual({ reason: 'worker-shutdown' });
    expect(refused.message).toMatch(why);
  });

  it('(41) that nobody looks at is not remembered', () => {
    const given = { ...unsigned(), signaturePolicy: 'off' };
    for (const _ of [1, 2]) expect(verdictReport(verify(given))).toEqual({ verdict: 'unchecked' });
    expect(seen.asked).toEqual([]);
  });

  it('(72) that is refused was not even asked about, so nothing can have begun', () => {
    for (const given of [unsigned(), changed(), { ...claim, runId: 7 }, { ...claim, signature: 'x' }, 'x']) refusal(given);
    expect(seen.asked).toEqual([]);
  });
});

describe('(66) what is cleared is not what the claim becomes afterwards', () => {
  it.each([
    ['require', 'verified'],
    ['warn', 'failed'],
    ['off', 'unchecked'],
  ] as const)('under %s, where it is %s', (policy, verdict) => {
    const given = { ...claim, signaturePolicy: policy, ...(policy === 'require' ? {} : { signature: undefined }) };
    const cleared = verify(given, { policy });
    given.task.payload.command[0] = 'rm';
    given.task.payload.env.BAR = 'x';
    given.status.taskId = 'x';
    given.runId = 7;
    expect(cleared).toMatchObject({ verdict, runId: 0, taskId: expect.stringMatching(/^.{22}$/) });
    expect(cleared.definition).toEqual(DEFINITION);
    expect(isFrozen(cleared)).toBe(true);
  });

  it('nor are its credentials and its end, which are for talking to the queue', () => {
    const { takenUntil, credentials } = structuredClone(claim);
    Object.assign(claim.credentials, { env: { EVIL: 'x' } });
    const refused = refusal({ ...claim, signature: 'x' });
    const { queue } = verify(claim);
    claim.credentials.accessToken = 'x';
    claim.takenUntil = 'x';
    expect([queue, refused.queue]).toEqual([{ takenUntil, credentials }, queue]);
    expect(`${inspect(refused)}${JSON.stringify(refused)}`).not.toContain(credentials.accessToken);
  });

  it.each([undefined, null, 'x', [], { accessToken: ['x'], clientId: null }])('credentials %j are none', (credentials) => {
    const none = { clientId: undefined, accessToken: undefined, certificate: undefined };
    expect(verify({ ...claim, credentials, takenUntil: 7 }).queue).toStrictEqual({ takenUntil: undefined, credentials: none });
  });
});

describe('(67) an environment that reaches for the worker is refused', () => {
  const reserved = definitionOf({ command: ['make'], env: { LD_PRELOAD: 'hunter2' } });

  it.each(['off', 'warn', 'require'] as const)('under %s, though it is signed', async (policy) => {
    const given = { ...(await claimOf(reserved)), signaturePolicy: policy };
    const refused = refusal(given, { policy });
    expect(refused).toMatchObject({ reason: 'signature-invalid', code: 'definition-reserved-env' });
    expect(refused.kid).toBe(policy === 'off' ? undefined : 'creator');
    expect(refused.message).not.toContain('hunter2');
    expect(seen.asked).toEqual([]);
  });

  it.each([null, [], 'x', { A: 1 }, { 'A=B': 'x' }])('so is %j', (env) => {
    const task = { ...claim.task, payload: { env } };
    expect(refusal({ ...claim, task, signaturePolicy: 'off' }).code).toBe('definition-reserved-env');
  });

  it.each([null, 'x', [], {}, { command: [] }])('a payload %j has none', (payload) => {
    expect(verify({ ...claim, task: { ...claim.task, payload }, signaturePolicy: 'off' }).verdict).toBe('unchecked');
  });
});

it('(64) no refusal and no report has a value of the definition in it', async () => {
  const env = { ...claim.task.payload.env, LD_PRELOAD: 'hunter2' };
  const given = [
    changed(),
    unsigned(),
    { ...claim, signature: 'x' },
    { ...claim, task: { ...claim.task, payload: { env } }, signaturePolicy: 'off' },
    { ...claim, task: 'hunter2' },
    { ...claim, status: { taskId: 'hunter2' } },
    { ...claim, runId: 'hunter2' },
  ];
  const refusals = given.map((one) => refusal(one));
  expect(refusals.map(({ message, stack }) => `${message}${stack}`).join()).not.toContain('hunter2');
  expect(JSON.stringify([...refusals.map(refusalReport), verdictReport(verify(claim))])).not.toContain('hunter2');
});

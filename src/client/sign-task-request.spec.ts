import { createPrivateKey, sign } from 'node:crypto';
import fc from 'fast-check';
import { generateKey } from '../signatures/generate-key.js';
import { readKeySet } from '../signatures/key-set.js';
import { NormalFormError, normalForm } from '../signatures/normal-form.js';
import { SignatureError } from '../signatures/signature-error.js';
import { signerOf, type TaskSigner } from '../signatures/signer.js';
import { type VerifiedTask, verifyTask } from '../signatures/verify-task.js';
import { type SignedTaskRequest, type SigningRequest, signTaskRequest, type TaskRequest } from './sign-task-request.js';

const NOW = 1_800_000_000;
const at = (seconds: number) => new Date((NOW + seconds) * 1000).toISOString();
const AUDIENCE = 'https://tasks.example.com';
const TASK_ID = 'fN1SbArXTPSVFNUvaOlinQ';
const LEAST: TaskRequest = {
  taskQueueId: 'builds/linux',
  created: at(0),
  deadline: '2027-01-15T09:00:00.123456Z',
  payload: { command: ['make'] },
  metadata: { name: 'n', description: 'd', owner: 'o@example.com', source: 'https://example.com' },
};

const EDDSA = generateKey('EdDSA', { kid: 'creator' });
const P256 = generateKey('ES256', { kid: 'kms' });
const KEYS = readKeySet(JSON.stringify({ version: 1, keys: [EDDSA.publicJwk, P256.publicJwk] }));
const SIGNER = signerOf(EDDSA.privateJwk);

const signed = (definition: unknown = LEAST, terms: Partial<SigningRequest> = {}, signer: TaskSigner = SIGNER) =>
  signTaskRequest(signer, { audience: AUDIENCE, taskId: TASK_ID, now: NOW, ...terms, definition: definition as TaskRequest });

/** As the queue does: it fills in what is missing in the copy that was sent, and compares. */
function verified({ signature, ...sent }: SignedTaskRequest): VerifiedTask {
  const copy = normalForm(TASK_ID, sent);
  const taskQueueId = String(copy.taskQueueId);
  return verifyTask(signature, { audience: AUDIENCE, taskId: TASK_ID, taskQueueId, runId: 0, now: NOW, skew: 0 }, KEYS, copy);
}

describe('the body of a signed task', () => {
  it('(73) is the normal form and the signature over it', async () => {
    const { signature, ...definition } = await signed();
    expect(definition).toEqual(normalForm(TASK_ID, LEAST));
    expect(verified({ signature, ...definition })).toMatchObject({ definition, kid: 'creator', iat: NOW, exp: NOW + 3600, maxRuns: 6 });
  });

  it('(1, 73) is good, and in normal form, whatever JSON is in the definition', async () => {
    const words = fc.string({ unit: 'grapheme' });
    const object = fc.dictionary(words, fc.jsonValue({ maxDepth: 4 }));
    const given = fc.record(
      {
        ...{ schedulerId: words, projectId: words, taskGroupId: words, dependencies: fc.array(words), routes: fc.array(words) },
        ...{ requires: fc.constantFrom('all-completed', 'all-resolved'), priority: fc.constantFrom('high', 'lowest') },
        ...{ retries: fc.nat(49), expires: fc.constantFrom(at(9_999_999), '2028-01-01T00:00:00.98765+02:00') },
        ...{ scopes: fc.array(words), payload: object, tags: fc.dictionary(words, words), extra: object },
      },
      { requiredKeys: ['payload'] },
    );
    await fc.assert(
      fc.asyncProperty(given, async (members) => {
        const body = await signed({ ...LEAST, ...members }).catch(refusedForNumbers);
        if (body === undefined) return;
        const { signature, ...definition } = body;
        expect(normalForm(TASK_ID, definition)).toEqual(definition);
        expect(verified(JSON.parse(JSON.stringify(body))).definition).toEqual(definition);
        const again = await signed(definition);
        expect(again).toEqual(body);
      }),
      { numRuns: 300 },
    );
  });

  it('(6) is refused by an error that names a member, whatever JSON a member is', async () => {
    const names = fc.constantFrom('taskQueueId', 'provisionerId', 'created', 'deadline', 'expires', 'retries', 'metadata', 'other');
    await fc.assert(
      fc.asyncProperty(names, fc.jsonValue(), async (name, value) => {
        const error = await signed({ ...LEAST, [name]: value }).then(verified, (thrown) => thrown);
        if (!(error instanceof Error)) return expect(error.kid).toBe('creator');
        expect(error instanceof NormalFormError || error instanceof SignatureError).toBe(true);
        expect(error.message).toMatch(/taskQueueId|provisionerId|created|deadline|expires|retries|metadata|other|maxRuns/);
      }),
      { numRuns: 500 },
    );
  });

  it('(1) may be signed elsewhere, by whatever signs 64 bytes', async () => {
    const key = createPrivateKey({ key: P256.privateJwk, format: 'jwk' });
    const kms: TaskSigner = {
      kid: 'kms',
      alg: 'ES256',
      sign: async (bytes) => sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }),
    };
    expect(verified(await signed(LEAST, {}, kms))).toMatchObject({ kid: 'kms', alg: 'ES256' });
  });

  it('(66) is what was signed, also where the given objects are changed while somebody signs', async () => {
    const payload = { command: ['make'] };
    const slow: TaskSigner = {
      ...SIGNER,
      sign: (bytes) => {
        payload.command.push('install');
        return SIGNER.sign(bytes);
      },
    };
    const body = await signed({ ...LEAST, payload }, {}, slow);
    expect(body.payload).toEqual({ command: ['make'] });
    expect(verified(body).kid).toBe('creator');
  });

  it('(39) is signed by the clock of the machine unless another time is given', async () => {
    const [created, deadline] = [0, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
    const { signature, ...copy } = await signed({ ...LEAST, created, deadline }, { now: undefined });
    const now = Math.floor(Date.now() / 1000);
    const expected = { audience: AUDIENCE, taskId: TASK_ID, taskQueueId: 'builds/linux', runId: 5, now, skew: 0 };
    expect(verifyTask(signature, expected, KEYS, copy).exp).toBe(Math.floor(Date.parse(String(deadline)) / 1000));
  });

  it('(38, 42) is good for fewer runs and less long where that is said', async () => {
    expect(verified(await signed(LEAST, { expires: NOW + 60, maxRuns: 1 }))).toMatchObject({ exp: NOW + 60, maxRuns: 1 });
  });
});

it.each<[string, Record<string, unknown>, Partial<SigningRequest>, RegExp]>([
  ['(73) a member that there is not', { retires: 3 }, {}, /no retires/],
  ['(73) a signature', { signature: 'x' }, {}, /no signature/],
  ['(73) no metadata', { metadata: undefined }, {}, /no metadata; set it/],
  ['(73) a Date', { deadline: new Date() }, {}, /deadline must be an RFC 3339 date-time/],
  ['(36) two task queues', { provisionerId: 'tests' }, {}, /let them agree/],
  ['(36) a task queue of three parts', { taskQueueId: undefined, provisionerId: 'a/b', workerType: 'c' }, {}, /taskQueueId must be/],
  ['(42) an end beyond the deadline', {}, { expires: NOW + 3601 }, /expires is beyond the deadline/],
  ['(42) a deadline that has passed', { deadline: at(-1) }, {}, /deadline of its definition has passed/],
  ['(38) no runs', {}, { maxRuns: 0 }, /maxRuns must be/],
  ['(35) no task', {}, { taskId: 'x' }, /taskId must be/],
  ['(37) no audience', {}, { audience: '' }, /aud must be/],
  ['(11) an integer that is not exact', { payload: { id: 2 ** 60 } }, {}, /\.definition \.payload \.id an integer beyond/],
  ['(67) a reserved variable', { payload: { env: { FOO: 'x', LD_PRELOAD: '/tmp/x.so' } } }, {}, /a task may not set "LD_PRELOAD"/],
  ['(67) an environment that is none', { payload: { env: ['FOO=x'] } }, {}, /the environment is not an object/],
  ['(10) what is no JSON', { payload: { when: new Date(0) } }, {}, /\.payload \.when a Date is no JSON/],
])('%s is not signed', async (_, definition, terms, says) => {
  const error = await signed({ ...LEAST, ...definition }, terms).catch((thrown) => thrown);
  expect(error instanceof NormalFormError || error instanceof SignatureError).toBe(true);
  expect(error.message).toMatch(says);
});

/** Numbers and names that no two parsers agree on are JSON, and are not signed. */
function refusedForNumbers(error: unknown): undefined {
  expect(error).toBeInstanceOf(SignatureError);
  expect((error as SignatureError).detail).toMatch(/beyond 2\^53|lone surrogate|__proto__/);
}

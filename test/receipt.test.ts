import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { bundleFromJSON } from '@sigstore/bundle';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import fc from 'fast-check';
import { createLeaseholdClient } from '../src/client/client.js';
import { publicKeyOf, SIGNING_ALGS } from '../src/signatures/algorithms.js';
import { generateKey, type TaskKey } from '../src/signatures/generate-key.js';
import { signerOf } from '../src/signatures/signer.js';
import type { Definition } from '../src/signatures/task-payload.js';
import { makeReceipt } from '../src/worker/receipt/make-receipt.js';
import type { RunFacts } from '../src/worker/receipt/run-facts.js';
import { lentScopes, scopesUsed } from '../src/worker/receipt/run-scopes.js';
import { WorkerKey } from '../src/worker/receipt/worker-key.js';
import { SetupError } from '../src/worker/state/setup-error.js';
import { type Api, definition, slugid } from './support/api.js';
import { leftBytes, runFacts } from './support/run-facts.js';
import { freePort } from './support/service-process.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* Receipts as others verify them, and `leasehold verify-run` as people run it, against the service. */

const COMMAND = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/cli/leasehold.js');
const NOBODY = `http://127.0.0.1:${await freePort()}`;

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-receipts-'));
const at = (name: string) => path.join(directory, name);
function put(name: string, value: unknown, mode = 0o600): string {
  writeFileSync(at(name), typeof value === 'string' ? value : JSON.stringify(value));
  chmodSync(at(name), mode);
  return at(name);
}

const WORKER_KEY = generateKey('EdDSA', { kid: 'worker', owner: 'the builders', taskQueues: ['test/*'] });
const SIGNER = signerOf(WORKER_KEY.privateJwk);
const setOf = (...keys: object[]) => ({ version: 1, keys });

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({
    sweepInterval: 600,
    claimPoll: 0,
    anonymousScopes: ['queue:get-artifact:public/*', 'queue:status:*', 'queue:get-task:*'],
  });
  tasks = new Tasks(test.root, test.database);
  put('keys.json', setOf(WORKER_KEY.publicJwk));
});
afterAll(async () => {
  await test.close();
  rmSync(directory, { recursive: true });
});

const AS_ANYBODY = { TASKCLUSTER_CLIENT_ID: '', TASKCLUSTER_ACCESS_TOKEN: '' };

interface Ran {
  code: number;
  out: string;
  err: string;
}

function leasehold(words: readonly string[], environment: Record<string, string> = {}): Promise<Ran> {
  const { clientId, accessToken } = test.root.credentials!;
  const named = { TASKCLUSTER_ROOT_URL: test.root.url, TASKCLUSTER_CLIENT_ID: clientId, TASKCLUSTER_ACCESS_TOKEN: accessToken };
  const env = { PATH: process.env.PATH ?? '', ...named, ...environment };
  return new Promise((ended) => {
    execFile(process.execPath, [COMMAND, ...words], { cwd: directory, env }, (error, out, err) =>
      ended({ code: Number(error?.code ?? 0), out, err }),
    );
  });
}
const verifyRun = (taskId: string, ...more: string[]) => leasehold(['verify-run', taskId, '--keys', 'keys.json', ...more]);

interface Claimed {
  taskId: string;
  definition: Definition;
  run: Api;
  credentials: { clientId: string; accessToken: string; certificate: string };
}

async function claimed(overrides: object = {}): Promise<Claimed> {
  const taskId = await tasks.create(overrides as Record<string, unknown>);
  const { credentials, task } = await ok(tasks.claimTask(taskId));
  return { taskId, definition: task, run: test.root.as(credentials), credentials };
}

async function upload(
  { taskId, run }: Claimed,
  name: string,
  content: string | Buffer,
  headers: Record<string, string> = {},
): Promise<void> {
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  const url = `/queue/v1/task/${taskId}/runs/0/artifacts/${encodeURIComponent(name)}`;
  const { putUrl } = await ok(run.post(url, { storageType: 's3', expires, contentType: 'text/plain' }));
  const { status } = await fetch(putUrl, { method: 'PUT', body: content, headers: { 'content-type': 'text/plain', ...headers } });
  if (status !== 200) throw new Error(`the upload of ${name} answered ${status}`);
}

const LOG = 'public/logs/live.log';
const ZIP = 'public/build.zip';

interface Life {
  /** Of the receipt, other than what was done. */
  facts?: Partial<RunFacts>;
  task?: object;
  /** What is uploaded; undefined: not. */
  log?: string;
  zip?: string | undefined;
  receipt?: (made: object, of: Claimed) => unknown;
  receiptName?: string;
  before?: (run: Claimed) => Promise<unknown>;
  reported?: 'completed' | 'failed' | 'malformed-payload' | 'worker-shutdown' | undefined;
  key?: TaskKey;
}

/** The id of a task whose run has left a log, an artifact and a receipt, and has ended. */
async function lived(life: Life = {}): Promise<string> {
  const { log = 'log\n', zip = 'zip', facts = {}, receipt = (made) => made, receiptName = 'public/receipt.json' } = life;
  const run = await claimed(life.task);
  await upload(run, LOG, log);
  if (!('zip' in life) || life.zip !== undefined) await upload(run, ZIP, zip);
  await life.before?.(run);
  const left = { artifacts: [leftBytes(ZIP, 'zip')], log: { ...leftBytes(LOG, 'log\n'), dropped: 0 } };
  const made = await makeReceipt(
    runFacts(run.taskId, run.definition, { ...left, ...facts }),
    life.key ? signerOf(life.key.privateJwk) : SIGNER,
  );
  await upload(run, receiptName, JSON.stringify(receipt(made, run)));
  const reported = 'reported' in life ? life.reported : 'completed';
  if (reported !== undefined) await ok(new Tasks(run.run, test.database).report(reported, run.taskId));
  return run.taskId;
}

/** What a receipt that is not good is not good for. */
async function problemsOf(taskId: string, ...more: string[]): Promise<string[]> {
  const { code, out, err } = await verifyRun(taskId, '--json', ...more);
  expect([code, err]).toEqual([1, '']);
  const { good, problems, code: refused } = JSON.parse(out);
  expect(good).toBe(false);
  return problems ?? [refused];
}

describe.each(SIGNING_ALGS)('@sigstore/verify and a receipt by %s', (alg) => {
  const key = generateKey(alg, { kid: 'worker' });
  const rawBytes = publicKeyOf(alg, key.publicJwk).key.export({ type: 'spki', format: 'der' });
  const verifierOf = (keys: Record<string, { rawBytes: Buffer }>) => {
    const nobody = { mediaType: '', certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
    const material = toTrustMaterial(nobody, keys as unknown as Parameters<typeof toTrustMaterial>[1]);
    return new Verifier(material, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });
  };
  const verify = (bundle: unknown, keys: Record<string, { rawBytes: Buffer }> = { worker: { rawBytes } }) =>
    verifierOf(keys).verify(toSignedEntity(bundleFromJSON(bundle)));
  const made = () => makeReceipt(runFacts(slugid(), definition({ scopes: [] })), signerOf(key.privateJwk));

  it('take one another', async () => {
    expect(verify(JSON.parse(JSON.stringify(await made()))).key.equals(publicKeyOf(alg, key.publicJwk).key)).toBe(true);
  });

  it('do not once a byte of it is another one, or the key', async () => {
    const bundle = await made();
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64');
    fc.assert(
      fc.property(fc.nat(payload.length - 1), fc.integer({ min: 1, max: 255 }), (index, change) => {
        const altered = Buffer.from(payload);
        altered[index]! ^= change;
        const dsseEnvelope = { ...bundle.dsseEnvelope, payload: altered.toString('base64') };
        expect(() => verify({ ...bundle, dsseEnvelope })).toThrow('signature verification failed');
      }),
    );
    const other = publicKeyOf(alg, generateKey(alg).publicJwk).key.export({ type: 'spki', format: 'der' });
    expect(() => verify(bundle, { worker: { rawBytes: other } })).toThrow('signature verification failed');
    expect(() => verify(bundle, { other: { rawBytes } })).toThrow('key not found: worker');
  });

  it('do as docs/receipts.md has it', async () => {
    const [, snippet = ''] = /```js\n([^`]+)```/.exec(readFileSync('docs/receipts.md', 'utf8')) ?? [];
    const bundle = await made();
    const run = (keys: object) =>
      new Promise<string>((ended) => {
        const files = [put('receipt.json', bundle), put('sigstore.json', keys)];
        execFile(process.execPath, ['--input-type=module', '-e', snippet, ...files], (error, out) => ended(error ? 'refused' : out));
      });
    expect(await run(setOf(key.publicJwk))).toContain(LOG);
    expect(await run(setOf({ ...generateKey(alg).publicJwk, kid: 'worker' }))).toBe('refused');
    expect(await run(setOf({ ...key.publicJwk, revoked: true }))).toBe('refused');
  });
});

describe("the worker's key", () => {
  it('(26) is that of the file, signs, and is in nothing that is printed or handed on', async () => {
    const key = WorkerKey.open(put('worker.key.json', WORKER_KEY.privateJwk));
    expect(key).toMatchObject({ kid: 'worker', alg: 'EdDSA' });
    const facts = runFacts(slugid(), definition({ scopes: [] }));
    expect(await makeReceipt(facts, key)).toEqual(await makeReceipt(facts, SIGNER));
    const { d } = WORKER_KEY.privateJwk as { d: string };
    const shown = [JSON.stringify(key), inspect(key, { depth: 9, showHidden: true }), JSON.stringify(Object.entries(key))].join();
    for (const secret of [d, Buffer.from(d, 'base64url').toString('hex')]) expect(shown).not.toContain(secret);
  });

  it.each<[string, () => string, RegExp]>([
    ['that others can read', () => put('open.key.json', WORKER_KEY.privateJwk, 0o640), /is open to others; chmod 600 it/],
    ['that is not there', () => at('none.key.json'), /cannot be read \(ENOENT\)/],
    ['that is a directory', () => at('.'), /is no ordinary file/],
    ['that is public', () => put('public.key.json', WORKER_KEY.publicJwk), /key worker is not private/],
    [
      'that signs by another algorithm',
      () => put('rsa.key.json', { ...WORKER_KEY.privateJwk, alg: 'PS512' }),
      /alg that is not one of EdDSA, ES256/,
    ],
    [
      'of two halves',
      () => put('two.key.json', { ...WORKER_KEY.privateJwk, x: generateKey('EdDSA').publicJwk.x }),
      /halves are of different keys/,
    ],
    ['that is no JSON', () => put('text.key.json', 'hunter2'), /it is not JSON/],
    ['that is too large', () => put('large.key.json', ' '.repeat(5000)), /more than 4096 bytes/],
  ])('%s is refused, and none of it told', (_, file, why) => {
    const open = () => WorkerKey.open(file());
    expect(open).toThrow(SetupError);
    expect(open).toThrow(why);
    expect(() => open()).not.toThrow(new RegExp(`hunter2|${(WORKER_KEY.privateJwk as { d: string }).d}`));
  });

  it('in a directory where others can put another one is refused', () => {
    mkdirSync(at('shared'));
    const file = put('shared/worker.key.json', WORKER_KEY.privateJwk);
    chmodSync(at('shared'), 0o777);
    expect(() => WorkerKey.open(file)).toThrow(/chmod go-w it/);
  });
});

it('the scopes that were lent and used are told by the credentials of the run', async () => {
  const [one, two] = [await tasks.create(), await tasks.create({ dependencies: [await tasks.create()] })];
  const { run, credentials, taskId } = await claimed({ scopes: ['queue:cancel-task:*', 'assume:scheduler', 'secrets:get:x'] });
  await test.role('scheduler', 'queue:schedule-task:*');
  expect(lentScopes(credentials)).toEqual(expect.arrayContaining(['queue:cancel-task:*', 'secrets:get:x', `assume:task-run:${taskId}/0`]));
  const client = createLeaseholdClient({ rootUrl: test.root.url, credentials: () => credentials });
  expect(await scopesUsed(client)).toEqual([]);
  await ok(run.get(`/queue/v1/task/${one}/status`)); // anybody may
  await ok(new Tasks(run, test.database).steer('cancel', one));
  expect(await scopesUsed(client, Date.now())).toEqual(['queue:cancel-task:*']);
  await ok(new Tasks(run, test.database).steer('schedule', two));
  expect(await scopesUsed(client, Date.now())).toEqual(['assume:scheduler', 'queue:cancel-task:*', 'queue:schedule-task:*']);
  await tasks.report('completed', taskId);
  expect(await scopesUsed(client)).toBeUndefined();
  expect(await scopesUsed(createLeaseholdClient({ rootUrl: NOBODY, credentials: () => credentials }))).toBeUndefined();
});

it.each([undefined, '', '{', '{}', '{"scopes":7}', '{"scopes":[7]}'])('a certificate %j tells of no scopes', (certificate) => {
  expect(lentScopes({ certificate })).toBeUndefined();
});

describe('leasehold verify-run', () => {
  it('tells people that a run is what its worker states, asking as anybody', async () => {
    const taskId = await lived({ task: { scopes: ['secrets:get:x'] } });
    const { code, out, err } = await leasehold(['verify-run', taskId, '--keys', 'keys.json'], AS_ANYBODY);
    expect([code, err, out.split('\n')[0]]).toEqual([0, '', `Good: run 0 of task ${taskId}`]);
    expect(out).toMatch(/^Worker +urn:leasehold:worker:group\/worker$/m);
    expect(out).toMatch(/^Worker key +worker \(EdDSA, the builders\), thumbprint [\w-]{43}$/m);
    expect(out).toMatch(/^Scopes asked +secrets:get:x$/m);
    expect(out).toMatch(/^Scopes used +not known$/m);
    expect(out).toMatch(/^make +none +rw +Completed +0 +20\S+ +20\S+$/m);
    expect(out).toMatch(/^version +make +"1\.0"$/m);
    expect(out).toMatch(/^✓ +definition +[0-9a-f]{64}$/m);
    expect(out).toMatch(/^✓ +public\/build\.zip +[0-9a-f]{64}$/m);
    expect(out).toMatch(/^- +other artifacts +not compared: who asks may not list them$/m);
    expect(out).not.toContain('✗');
  });

  it('tells programs the same, and the definition to who asks for it', async () => {
    const taskId = await lived();
    const told = JSON.parse((await verifyRun(taskId, '--json', '--definition', '--run', '0')).out);
    const { id } = told.statement.predicate.runDetails.builder;
    expect(told).toMatchObject({
      good: true,
      compared: true,
      problems: [],
      kid: 'worker',
      alg: 'EdDSA',
      definition: { taskQueueId: 'test/queue' },
    });
    expect([id, told.checks.every(({ good }: { good: boolean }) => good)]).toEqual(['urn:leasehold:worker:group/worker', true]);
    expect(told.checks.map(({ what }: { what: string }) => what)).toEqual([
      'run',
      'task queue',
      'worker',
      'outcome',
      'time',
      'definition',
      ZIP,
      LOG,
    ]);
    expect((await verifyRun(taskId, '--definition')).out).toContain('"taskQueueId": "test/queue"');
  });

  it('reads what was uploaded with a content encoding as anybody does', async () => {
    const before = (run: Claimed) => upload(run, LOG, gzipSync('log\n'), { 'content-encoding': 'gzip' });
    expect((await verifyRun(await lived({ before }))).code).toBe(0);
  });

  it('takes a definition that nobody signed, though its priority was changed under way', async () => {
    const before = ({ taskId }: Claimed) => ok(test.root.post(`/queue/v1/task/${taskId}/priority`, { newPriority: 'high' }));
    const { code, out } = await verifyRun(await lived({ before }), '--json');
    expect(code).toBe(0);
    const check = JSON.parse(out).checks.find(({ what }: { what: string }) => what === 'definition');
    expect(check.found).toMatch(/, the same but for priority lowest$/);
    const payloadDigest = 'ab'.repeat(32);
    const verified = { verdict: { verdict: 'verified', kid: 'k', thumbprint: 't', payloadDigest } as const };
    expect(await problemsOf(await lived({ before, facts: verified }))).toEqual([expect.stringMatching(/^definition: /)]);
  });

  it.each<[string, Life, RegExp[]]>([
    ['its log was altered', { log: 'lie\n' }, [/^public\/logs\/live\.log: the receipt states \w{64}; the service: \w{64}$/]],
    ['its log grew', { log: 'log\nand more' }, [/^public\/logs\/live\.log: .* has more than 4 bytes$/]],
    ['an artifact was altered', { zip: 'zap' }, [/^public\/build\.zip: the receipt states \w{64}; the service: \w{64}$/]],
    ['an artifact is missing', { zip: undefined }, [/^public\/build\.zip: .* the service: is not there$/]],
    [
      'an artifact was added',
      { before: (run) => upload(run, 'public/other.zip', 'x') },
      [/^public\/other\.zip: the receipt states no such artifact/],
    ],
    ['it was resolved otherwise', { reported: 'failed' }, [/^outcome: the receipt states succeeded; the service: failed/]],
    ['it ended with an exception', { reported: 'malformed-payload' }, [/^outcome: .* exception \(malformed-payload\)$/]],
    ['it has not ended', { reported: undefined }, [/^outcome: .* running$/, /^time: /]],
    ['another worker ran it', { facts: { worker: { group: 'group', id: 'other' } } }, [/^worker: .*group\/other; .*group\/worker$/]],
    ['it was of another run', { facts: { runId: 1 } }, [/^run: /]],
    ['it was of another task queue', { facts: { taskQueueId: 'test/other' } }, [/^task queue: /]],
    ['it was long ago', { facts: { startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01Z' } }, [/^time: /]],
    ['it ended before it began', { facts: { startedAt: new Date(Date.now() + 590_000).toISOString() } }, [/^time: /]],
    ['another definition was run', { facts: { definition: { scopes: [] } } }, [/^definition: /]],
  ])('is not good where %s', async (_, life, problems) => {
    expect(await problemsOf(await lived(life))).toEqual(problems.map((problem) => expect.stringMatching(problem)));
  });

  it("is not good with another task's receipt", async () => {
    const other = await lived();
    const body = await (await fetch(`${test.root.url}/api/queue/v1/task/${other}/runs/0/artifacts/public/receipt.json`)).json();
    const problems = await problemsOf(await lived({ receipt: () => body, task: { scopes: ['a'] } }));
    expect(problems).toContainEqual(expect.stringMatching(new RegExp(`^run: the receipt states ${other}/0; the service: `)));
    expect(problems).toContainEqual(expect.stringMatching(/^definition: /));
  });

  it('is not good where the queue has recorded something else of the signature', async () => {
    const payloadDigest = 'ab'.repeat(32);
    const body = { verdict: 'verified', kid: 'creator', thumbprint: 'A'.repeat(43), payloadDigest } as const;
    const before = ({ run, taskId }: Claimed) => ok(run.post(`/queue/v1/task/${taskId}/runs/0/signature`, body));
    expect((await verifyRun(await lived({ before, facts: { verdict: body } }))).code).toBe(0);
    const taskId = await lived({ before, facts: { verdict: { ...body, payloadDigest: 'cd'.repeat(32) } } });
    expect(await problemsOf(taskId)).toEqual([expect.stringMatching(/^signature: .*verified cdcd.*verified abab/)]);
  });

  it('does not stand for what a step may have left by the proxy, and takes nothing amiss', async () => {
    const { outcome } = runFacts('x', definition({ scopes: [] }));
    const withStep = (more: object) => ({
      outcome: { ...outcome, steps: outcome.steps.map((step) => ({ ...step, network: 'proxy' as const, ...more })) },
    });
    const before = (run: Claimed) => upload(run, 'public/other.zip', 'x');
    const { code, out } = await verifyRun(await lived({ before, facts: withStep({}) }));
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^- +public\/other\.zip +not compared: an artifact, which a step may have left$/m),
    ]);
    const skipped = await lived({ before, facts: withStep({ reason: 'Skipped' }) });
    expect(await problemsOf(skipped)).toEqual([expect.stringMatching(/^public\/other\.zip: /)]);
  });

  it('looks at the run that is asked for, and else at the last one', async () => {
    const { outcome } = runFacts('x', definition({ scopes: [] }));
    const taskId = await lived({ facts: { outcome: { ...outcome, outcome: 'broken' } }, reported: 'worker-shutdown' });
    expect(await verifyRun(taskId, '--run', '0')).toMatchObject({ code: 0, out: expect.stringMatching(/^Good: run 0 of task /) });
    expect(await verifyRun(taskId)).toMatchObject({ code: 1, err: expect.stringMatching(/^Run 1 of task \S+ has no receipt/) });
  });

  it('is not good where the queue answers for another task', async () => {
    const [other, asked] = [await lived(), slugid()];
    const front = createServer(async ({ url = '' }, answer) => {
      const { status, headers, body } = await test.root.get(url.replace(asked, other).replace(/^\/api/, ''));
      const location = headers.location === undefined ? {} : { location: headers.location };
      answer.writeHead(status, { 'content-type': 'application/json', ...location }).end(JSON.stringify(body));
    });
    await once(front.listen(0, '127.0.0.1'), 'listening');
    const root = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    const { code, out } = await leasehold(['verify-run', asked, '--keys', 'keys.json'], { TASKCLUSTER_ROOT_URL: root });
    front.close();
    expect([code, out]).toEqual([1, expect.stringContaining(`Not good: run: the receipt states ${other}/0; the service: ${asked}/0.`)]);
  });

  it.each([
    ['reference', { storageType: 'reference', url: 'https://evil.example/x', contentType: 'text/plain' }],
    ['link', { storageType: 'link', artifact: ZIP, contentType: 'text/plain' }],
  ])('is not good where a %s was added', async (_, body) => {
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const before = ({ run, taskId }: Claimed) =>
      ok(run.post(`/queue/v1/task/${taskId}/runs/0/artifacts/public%2Fsetup.exe`, { ...body, expires }));
    expect(await problemsOf(await lived({ before }))).toEqual([expect.stringMatching(/^public\/setup\.exe: the receipt states no such/)]);
  });

  it('is not good with a member twice', async () => {
    const bundle = JSON.stringify(await makeReceipt(runFacts(slugid(), definition({ scopes: [] })), SIGNER));
    const verify = (text: string) => leasehold(['verify-run', '--bundle', put('twice.json', text), '--keys', 'keys.json']);
    expect((await verify(JSON.stringify(JSON.parse(bundle), null, 2))).code).toBe(0);
    const { code, out } = await verify(bundle.replace('"dsseEnvelope":{', '"dsseEnvelope":{"payload":"aGFja2Vk",'));
    expect([code, out]).toEqual([1, expect.stringMatching(/^Not good: receipt-malformed: /)]);
  });

  it('takes ids that begin with -', async () => {
    const { code, err } = await verifyRun('-gAAArXTPSVFNUvaOlinQA', '--run', '0');
    expect([code, err]).toEqual([1, expect.not.stringContaining('option')]);
  });

  it('is not good where the queue shows another definition than the worker ran', async () => {
    const taskId = await lived();
    const { rowCount } = await test.database.pool.query(
      `update task_definition set definition = replace(definition::text, '"true"', '"false"')::json where task_id = $1`,
      [taskId],
    );
    expect(rowCount).toBe(1);
    expect(await problemsOf(taskId)).toEqual([expect.stringMatching(/^definition: /)]);
  });

  it.each<[string, string, () => object, TaskKey]>([
    ['by another key of that name', 'receipt-invalid', () => setOf(WORKER_KEY.publicJwk), generateKey('EdDSA', { kid: 'worker' })],
    ['by a key that is not known', 'receipt-unknown-key', () => setOf(WORKER_KEY.publicJwk), generateKey('EdDSA', { kid: 'other' })],
    ['by a key that was revoked', 'receipt-key-not-valid', () => setOf({ ...WORKER_KEY.publicJwk, revoked: true }), WORKER_KEY],
    ['by a key for others', 'receipt-key-not-allowed', () => setOf({ ...WORKER_KEY.publicJwk, taskQueues: ['other/*'] }), WORKER_KEY],
  ])('is not good %s', async (_, code, keys, key) => {
    put('these.json', keys());
    const taskId = await lived({ key });
    const words = ['verify-run', taskId, '--keys', 'these.json'];
    const told = await leasehold(words);
    expect([told.code, told.out]).toEqual([1, expect.stringMatching(`^Not good: ${code}: `)]);
    expect(JSON.parse((await leasehold([...words, '--json'])).out)).toMatchObject({ good: false, code });
  });

  it.each<[string, (made: object) => unknown]>([
    ['is a text', () => 'hunter2'],
    ['has a member more', (made) => ({ ...made, more: 1 })],
    ['is too large', (made) => ({ ...made, more: 'x'.repeat(12 << 20) })],
  ])('is not good where the receipt %s', async (_, receipt) => {
    const { code, out, err } = await verifyRun(await lived({ receipt }));
    expect([code, `${out}${err}`]).toEqual([1, expect.stringMatching(/^Not good: receipt-malformed: |has more than \d+ bytes/)]);
  });

  it('finds a private receipt, for who may read it', async () => {
    const taskId = await lived({ receiptName: 'private/receipt.json' });
    const { code, err } = await leasehold(['verify-run', taskId, '--keys', 'keys.json'], AS_ANYBODY);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/no receipt that can be read: public\/receipt\.json is not there; private\/receipt\.json may not be read/),
    ]);
    expect((await verifyRun(taskId)).code).toBe(0);
  });

  it('shows nothing that moves the cursor', async () => {
    const facts = runFacts('x', definition({ scopes: ['\u001b[2J\n✓ all is well'] }));
    const { out } = await verifyRun(await lived({ facts: { scopes: facts.scopes } }));
    expect(out).not.toContain('\u001b');
    expect(out).not.toMatch(/^✓ all/m);
  });

  it('looks at a file alone, without a service', async () => {
    const file = put('receipt.json', await makeReceipt(runFacts(slugid(), definition({ scopes: [] })), SIGNER));
    const words = ['verify-run', '--bundle', file, '--keys', 'keys.json'];
    const { code, out } = await leasehold(words, { TASKCLUSTER_ROOT_URL: NOBODY });
    expect([code, out]).toEqual([0, expect.stringMatching(/^Good: .* compared with nothing\.\n/)]);
    put('receipt.json', readFileSync(file, 'utf8').replace('"payload":"e', '"payload":"f'));
    expect((await leasehold(words)).code).toBe(1);
    put('receipt.json', '{');
    expect(await leasehold(words)).toMatchObject({ code: 1, out: expect.stringMatching(/^Not good: receipt-malformed: .*not JSON/) });
  });

  it.each<[string, string, number, RegExp]>([
    ['', '', 2, /^Usage: leasehold/],
    ['verify-all', '', 2, /^Usage: leasehold/],
    ['verify-run', '--keys keys.json', 2, /one word is wanted after the verb; see leasehold help/],
    ['verify-run', 'x y --keys keys.json', 2, /one word is wanted/],
    ['verify-run', 'x --keys keys.json --bundle y', 2, /0 words are wanted/],
    ['verify-run', 'x', 2, /--keys is missing/],
    ['verify-run', 'x --keys none.json', 2, /none\.json is not there/],
    ['verify-run', 'x --keys bad.json', 2, /bad\.json: The key set is refused/],
    ['verify-run', 'x --keys keys.json', 2, /the id of a task has 22/],
    ['verify-run', '--bundle none.json --keys keys.json', 2, /none\.json is not there/],
    ['verify-run', 'fN1SbArXTPSVFNUvaOlinQ --keys keys.json --run x', 2, /--run is a whole number/],
    ['verify-run', 'fN1SbArXTPSVFNUvaOlinQ --keys keys.json', 1, /Refused: .*fN1SbArXTPSVFNUvaOlinQ/],
  ])('%s %s ends with %i', async (verb, words, code, says) => {
    put('bad.json', {});
    expect(await leasehold([verb, ...words.split(' ')].filter(Boolean))).toEqual({ code, out: '', err: expect.stringMatching(says) });
  });

  it('tells of a run that there is not, and that nobody answers', async () => {
    const taskId = await tasks.create();
    expect((await verifyRun(taskId, '--run', '3')).err).toMatch(/has 1 runs, counted from 0, and no run 3/);
    expect((await verifyRun(taskId)).err).toMatch(/has no receipt that can be read/);
    const { code, err } = await leasehold(['verify-run', taskId, '--keys', 'keys.json'], { TASKCLUSTER_ROOT_URL: NOBODY });
    expect([code, err]).toEqual([1, expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/)]);
    expect((await leasehold(['help'])).out).toMatch(/verify-run <taskId> --keys/);
  });
});

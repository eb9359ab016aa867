import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { slugid } from '../src/credentials/slugid.js';
import { generateKey } from '../src/signatures/generate-key.js';
import { readKeySet } from '../src/signatures/key-set.js';
import { SeenRuns } from '../src/worker/claims/seen-runs.js';
import type { Terms } from '../src/worker/claims/verify-claim.js';
import { StateDir } from '../src/worker/state/state-dir.js';
import { AUDIENCE, type Claim, CREATOR, claimOf, definitionOf, KEYS, NOW, signatureOf, TASK_QUEUE } from './support/signed-claims.js';
import { SmallWorker } from './support/small-worker.js';

/*
 * A queue that is in the hands of an attacker, and a worker that requires signatures: whatever the queue answers, the worker runs what the
 * creator signed, or nothing. FC_SEED takes another seed for the edits at random.
 */

const SEED = Number(process.env.FC_SEED ?? 6);
console.log(`FC_SEED=${SEED}`);

const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'leasehold-hostile-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const [root, marker, evil] = ['runs', 'marker', 'evil'].map((name) => path.join(directory, name)) as [string, string, string];

/** Writes down how it was started. Its last word would do harm if a shell ever saw it. */
const WORDS = [
  process.execPath,
  '-e',
  "const { argv, env } = process; fs.appendFileSync(argv[1], JSON.stringify({ words: argv.slice(1), env, cwd: process.cwd() }) + '\\n')",
  marker,
  `$(touch ${evil}); touch ${evil}`,
];
const ENV = { FOO: 'hunter2', GREETING: 'grüß dich' };
const PAYLOAD = { command: WORDS, env: ENV };
const DEFINITION = definitionOf(PAYLOAD, { dependencies: ['dSlITZ4yQgmvxxAi4A8fHQ'], routes: ['index.builds'] });
const OTHER = definitionOf({ ...PAYLOAD, command: ['touch', evil] });
const EVIL_COMMAND = ['touch', evil];

let runs: SeenRuns;
let state: StateDir;
let worker: SmallWorker;
let terms: Terms;
let logged: string[];
let reported: { run: string; what: string; body: object | undefined }[];

beforeEach(() => {
  rmSync(directory, { recursive: true, force: true });
  state = StateDir.open(path.join(directory, 'state'));
  StateDir.open(root).close();
  runs = SeenRuns.open(state, NOW);
  terms = { policy: 'require', taskQueueId: TASK_QUEUE, audience: AUDIENCE, now: NOW, skew: 60, keySet: KEYS, seen: runs };
  [logged, reported] = [[], []];
  worker = new SmallWorker({
    terms: () => terms,
    root,
    report: ({ taskId, runId }, what, body) => reported.push({ run: `${taskId}/${runId}`, what, body }),
    log: (line) => logged.push(line),
  });
});
afterEach(() => {
  runs.close();
  state.close();
  expect(`${logged.join()}${JSON.stringify(reported)}`).not.toContain('hunter2'); // (64)
});

/** What ran, in order. */
const ran = () => (existsSync(marker) ? readFileSync(marker, 'utf8').trim().split('\n') : []).map((line) => JSON.parse(line));

function expectNothing(): void {
  expect({ ran: ran(), evil: existsSync(evil), directories: readdirSync(root) }).toEqual({ ran: [], evil: false, directories: [] });
}

/** The signed command, once, and not a variable more than it may have. */
function expectRan(claim: Claim, runId = 0): void {
  expect(ran()).toEqual([
    {
      words: WORDS.slice(3),
      env: { ...ENV, PATH: process.env.PATH, TASK_ID: claim.status.taskId, RUN_ID: String(runId) },
      cwd: expect.stringContaining(root),
    },
  ]);
  expect(existsSync(evil)).toBe(false);
  expect(reported.map(({ what }) => what)).toEqual(['signature', 'completed']);
  expect(reported[0]!.body).toMatchObject({ verdict: 'verified', kid: 'creator' });
}

it('(1, 68, 70) the honest claim runs just the signed command, once, and as words', async () => {
  const claim = await claimOf(DEFINITION);
  await worker.take(claim);
  expectRan(claim);
  expect(readdirSync(root)).toHaveLength(1);
});

describe('a definition that is not the one that was signed', () => {
  const payload = (members: object) => (task: Claim) => Object.assign(task.payload, members);
  const edits: [string, (task: Claim) => unknown][] = [
    ['(2) another command', payload({ command: EVIL_COMMAND })],
    ['(2) a word of it', (task) => task.payload.command.splice(-1, 1, evil)],
    ['(2) a value of the environment', (task) => Object.assign(task.payload.env, { FOO: 'x' })],
    ['(4) a variable more', (task) => Object.assign(task.payload.env, { PATH: directory })],
    ['(3) a variable less', (task) => delete task.payload.env.FOO],
    ['(4) a member more of the payload', payload({ image: 'evil' })],
    ['(2) another payload', (task) => Object.assign(task, { payload: OTHER.payload })],
    ['(40) more scopes', (task) => task.scopes.push('*')],
    ['(2) fewer scopes', (task) => task.scopes.pop()],
    ['(2) another deadline', (task) => Object.assign(task, { deadline: new Date((NOW + 7200) * 1000).toISOString() })],
    ['(2) the same deadline spelt otherwise', (task) => Object.assign(task, { deadline: task.deadline.replace('.000Z', 'Z') })],
    ['(44) no dependencies', (task) => Object.assign(task, { dependencies: [] })],
    ['(44) another route', (task) => Object.assign(task, { routes: ['index.evil'] })],
    ['(2) another priority', (task) => Object.assign(task, { priority: 'highest' })],
    ['(4) a member more', (task) => Object.assign(task, { env: { FOO: 'x' } })],
    ['(3) a member less', (task) => delete task.metadata],
    ['(16) a member named __proto__', (task) => Object.defineProperty(task, '__proto__', { value: { payload: {} }, enumerable: true })],
    ['(16) one in the environment', (task) => Object.defineProperty(task.payload.env, '__proto__', { value: 'x', enumerable: true })],
    ['(2) null for nothing', (task) => Object.assign(task.extra, { nothing: null })],
  ];

  it.each(edits)('%s: nothing runs', async (_, edit) => {
    const claim = await claimOf(DEFINITION);
    edit(claim.task);
    await worker.take(JSON.parse(JSON.stringify(claim)));
    expectNothing();
    expect(reported).toEqual([
      {
        run: `${claim.status.taskId}/0`,
        what: 'exception',
        body: {
          reason: 'signature-invalid',
          signature: { code: 'definition-mismatch', kid: 'creator', payloadDigest: expect.stringMatching(/^[0-9a-f]{64}$/) },
        },
      },
    ]);
  });

  it.each([
    ['absent', undefined],
    ['null', null],
    ['a list', [DEFINITION]],
    ['a text', JSON.stringify(DEFINITION)],
  ])('(2) %s: nothing runs', async (_, task) => {
    await worker.take({ ...(await claimOf(DEFINITION)), task });
    expectNothing();
    expect(reported[0]!.body).toMatchObject({ reason: 'signature-invalid', signature: { code: 'definition-mismatch' } });
  });
});

describe('a signature that is not for this', () => {
  const ATTACKER = generateKey('EdDSA', { kid: 'creator' });
  const STRANGER = generateKey('EdDSA', { kid: 'stranger' });
  const swapped = async (part: number) => {
    const [claim, other] = [await claimOf(DEFINITION), await claimOf(OTHER)];
    return { ...claim, signature: claim.signature.split('.').with(part, other.signature.split('.')[part]).join('.') };
  };
  const of = (claim: Promise<Claim>, change: (claim: Claim) => object) => claim.then((given) => ({ ...given, ...change(given) }));
  const honest = () => claimOf(DEFINITION);
  const asRun = ({ status }: Claim, runId: number) => ({
    runId,
    status: { ...status, runs: Array.from({ length: runId + 1 }, (_, nth) => ({ runId: nth })) },
  });

  const signatures: [string, string, () => Promise<Claim>][] = [
    ['(35) of another task', 'signature-context-mismatch', async () => ({ ...(await honest()), signature: await signatureOf(DEFINITION) })],
    [
      '(35) of another task, with its definition',
      'signature-context-mismatch',
      () => of(claimOf(OTHER), () => ({ status: { taskId: slugid() } })),
    ],
    [
      '(36) of another task queue',
      'signature-context-mismatch',
      () => {
        const elsewhere = definitionOf(PAYLOAD, { taskQueueId: 'builds/mac' });
        return claimOf(elsewhere, { taskQueueId: 'builds/mac' });
      },
    ],
    ['(37) of another deployment', 'signature-context-mismatch', () => claimOf(DEFINITION, { audience: 'https://staging.example.com' })],
    ['(38) for fewer runs', 'signature-context-mismatch', () => of(honest(), (claim) => asRun(claim, 3))],
    ['(39) that has expired', 'signature-expired', () => claimOf(DEFINITION, { iat: NOW - 3600, exp: NOW - 60 })],
    ['(39, 43) that is of tomorrow', 'signature-not-yet-valid', () => claimOf(DEFINITION, { iat: NOW + 61, exp: NOW + 3600 })],
    [
      '(6) with a piece of its header missing',
      'signature-malformed',
      () => of(honest(), ({ signature }) => ({ signature: signature.slice(1) })),
    ],
    ['(5) with the payload of another', 'signature-invalid', () => swapped(1)],
    ['(5) with the signature of another', 'signature-invalid', () => swapped(2)],
    ['(26) by the queue’s own key under the honest kid', 'signature-invalid', () => claimOf(OTHER, {}, ATTACKER)],
    ['(24) by a key that nobody here knows', 'signature-unknown-key', () => claimOf(OTHER, {}, STRANGER)],
    [
      '(21) by nobody (alg none)',
      'signature-malformed',
      () =>
        of(honest(), ({ signature }) => {
          const header = { alg: 'none', kid: 'creator', typ: 'leasehold-task+jws' };
          return { signature: [Buffer.from(JSON.stringify(header)).toString('base64url'), signature.split('.')[1], ''].join('.') };
        }),
    ],
    ['(6) that is no text', 'signature-malformed', () => of(honest(), ({ signature }) => ({ signature: [signature] }))],
    [
      '(67) over an environment that reaches for the worker',
      'definition-reserved-env',
      () => claimOf(definitionOf({ ...PAYLOAD, env: { NODE_OPTIONS: `--require ${evil}` } })),
    ],
  ];

  it.each(signatures)('%s: nothing runs (%s)', async (_, code, made) => {
    const claim = await made();
    for (const signaturePolicy of ['require', 'warn', 'off', undefined]) await worker.take({ ...claim, signaturePolicy });
    expectNothing();
    expect(reported.map(({ what, body }) => ({ what, body }))).toEqual(
      Array(4).fill({ what: 'exception', body: { reason: 'signature-invalid', signature: expect.objectContaining({ code }) } }),
    );
    expect(worker.heldBackUntil > NOW).toBe(code === 'signature-unknown-key');
  });

  it.each([undefined, null, ''])('(55, 59) %j, whatever the queue says of the policy: nothing runs', async (signature) => {
    for (const signaturePolicy of ['require', 'warn', 'off', 'none', null, undefined])
      await worker.take({ ...(await honest()), signature, signaturePolicy });
    expectNothing();
    expect(reported).toHaveLength(6);
    for (const { what, body } of reported)
      expect({ what, body }).toEqual({
        what: 'exception',
        body: { reason: 'signature-missing', signature: { code: 'signature-missing' } },
      });
  });

  it.each<[string, string, object]>([
    ['revoked', 'signature-key-not-valid', { revoked: true }],
    ['expired', 'signature-key-not-valid', { exp: NOW - 60 }],
    ['for other task queues', 'signature-key-not-allowed', { taskQueues: ['builds/mac'] }],
  ])('(46, 47) by a key that is %s: nothing runs (%s)', async (_, code, limits) => {
    terms.keySet = readKeySet(JSON.stringify({ version: 2, keys: [{ ...CREATOR.publicJwk, ...limits }] }));
    await worker.take(await honest());
    expectNothing();
    expect(reported[0]!.body).toMatchObject({ reason: 'signature-invalid', signature: { code } });
  });
});

describe('a claim that is none', () => {
  const deep = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
  it.each<[string, (claim: Claim) => unknown, string]>([
    ['(72) null', () => null, 'signature-context-mismatch'],
    ['(72) a text', () => 'x', 'signature-context-mismatch'],
    ['(72) nothing', () => undefined, 'signature-check-error'],
    ['(17) nested a thousand times', (claim) => ({ ...claim, task: deep(1000) }), 'definition-mismatch'],
    ['(17) nested as deep as JSON can be', (claim) => ({ ...claim, task: deep(100_000) }), 'signature-check-error'],
    ['(72) of a path', (claim) => ({ ...claim, status: { taskId: '../../../../etc/passwd' } }), 'signature-context-mismatch'],
    ['(72) of no task', (claim) => ({ ...claim, status: null }), 'signature-context-mismatch'],
    ['(72) of a task in a list', (claim) => ({ ...claim, status: { taskId: [claim.status.taskId] } }), 'signature-context-mismatch'],
    ['(38) of run "0"', (claim) => ({ ...claim, runId: '0' }), 'signature-context-mismatch'],
    ['(38) of run -1', (claim) => ({ ...claim, runId: -1 }), 'signature-context-mismatch'],
    ['(38) of run 0.5', (claim) => ({ ...claim, runId: 0.5 }), 'signature-context-mismatch'],
    ['(38) of no run', (claim) => ({ ...claim, runId: undefined }), 'signature-context-mismatch'],
    ['(38) of a run that its status has not', (claim) => ({ ...claim, runId: 1 }), 'signature-context-mismatch'],
    [
      '(36) of another task queue than was asked',
      (claim) => ({ ...claim, status: { ...claim.status, taskQueueId: 'builds/mac' } }),
      'signature-context-mismatch',
    ],
  ])('%s: nothing runs', async (_, edit, code) => {
    await worker.take(edit(await claimOf(DEFINITION)));
    expectNothing();
    expect(logged).toEqual([expect.stringContaining(`is refused: ${code}`)]);
  });
});

describe('a run that was signed', () => {
  it('(41) is not run again, also not after a restart of the worker', async () => {
    const claim = await claimOf(DEFINITION);
    await worker.take(claim);
    await worker.take(claim);
    runs.close();
    state.close();
    state = StateDir.open(path.join(directory, 'state'));
    runs = SeenRuns.open(state, NOW + 1);
    terms.seen = runs;
    await worker.take({ ...claim, signaturePolicy: 'off' });
    expect(ran()).toHaveLength(1);
    expect(reported.map(({ what }) => what)).toEqual(['signature', 'completed']); // or a run under way would be ended by its own worker
    const before = expect.stringContaining('was begun by this worker before');
    expect(logged.filter((line) => line.includes('is refused'))).toEqual([before, before]);
  });

  it('(41) is run once, though it is handed out twice at one time', async () => {
    const claim = await claimOf(DEFINITION);
    await Promise.all([worker.take(claim), worker.take(structuredClone(claim))]);
    expect(ran()).toHaveLength(1);
  });

  it('(66) is run as it was checked, though the claim changes right after', async () => {
    const claim = await claimOf(DEFINITION);
    const honest = structuredClone(claim);
    const taken = worker.take(claim);
    claim.task.payload.command = EVIL_COMMAND;
    claim.task.payload.env.FOO = 'x';
    claim.status.taskId = 'x';
    claim.runId = 2;
    await taken;
    expectRan(honest);
  });

  it.each<[string, (claim: Claim) => void]>([
    [
      '(69) beside the definition',
      (claim) => Object.assign(claim, { env: { EVIL: 'x' }, environment: { EVIL: 'x' }, payload: { env: { EVIL: 'x' } } }),
    ],
    ['(69) in its status', (claim) => Object.assign(claim.status, { env: { EVIL: 'x' }, payload: { env: { EVIL: 'x' } } })],
    ['(69) in its credentials', (claim) => Object.assign(claim.credentials, { env: { EVIL: 'x' }, LD_PRELOAD: 'x' })],
    ['(69) where it says whose it is', (claim) => Object.assign(claim, { workerGroup: { env: { EVIL: 'x' } }, workerId: 'x' })],
  ])('%s: an environment that the queue sends reaches nobody', async (_, edit) => {
    const claim = await claimOf(DEFINITION);
    edit(claim);
    await worker.take(claim);
    expectRan(claim);
  });

  it('(8) is run where the queue says the same in another order', async () => {
    const claim = await claimOf(DEFINITION);
    const reversed = (value: Claim): Claim =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(Object.entries(value).reverse().map(([name, member]) => [name, reversed(member)])); // biome-ignore format: one thing
    await worker.take(reversed(claim));
    expectRan(claim);
  });
});

describe('edits at random', () => {
  /** Every place in a value, and what is there. */
  function places(value: Claim, way: (string | number)[] = []): (string | number)[][] {
    if (typeof value !== 'object' || value === null) return [way];
    return [way, ...Object.keys(value).flatMap((name) => places(value[name], [...way, name]))];
  }

  type Edit = { at: number; how: 'put' | 'drop' | 'add' | 'mangle' | 'copy'; from: number; value: unknown };
  const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('off', 'warn', 0, 1, 2, 3, '', null, true, {}, [], EVIL_COMMAND));
  const edits = fc.array(
    fc.record<Edit>({ at: fc.nat(), how: fc.constantFrom('put', 'drop', 'add', 'mangle', 'copy'), from: fc.nat(), value }),
    { minLength: 1, maxLength: 3 },
  );

  const at = (claim: Claim, way: (string | number)[]) => way.reduce((inner, name) => inner?.[name], claim);
  function edited(claim: Claim, { at: nth, how, from, value: given }: Edit): void {
    const all = places(claim).slice(1);
    const way = all[nth % all.length]!;
    const [inner, name] = [at(claim, way.slice(0, -1)), way.at(-1)!];
    if (how === 'put') inner[name] = given;
    if (how === 'drop') delete inner[name];
    if (how === 'add') inner[`x${nth}`] = given;
    if (how === 'copy') inner[name] = structuredClone(at(claim, all[from % all.length]!));
    if (how === 'mangle' && typeof inner[name] === 'string') inner[name] = `${inner[name].slice(0, from % inner[name].length)}~`;
  }

  it('(7, 66, 69) are refused, or what ran is just what was signed', async () => {
    const outcomes = { ran: 0, refused: 0 };
    const property = fc.asyncProperty(edits, async (list) => {
      [logged, reported] = [[], []];
      for (const place of [marker, ...readdirSync(root).map((name) => path.join(root, name))])
        rmSync(place, { recursive: true, force: true });
      const claim = await claimOf(DEFINITION);
      const honest = structuredClone(claim);
      for (const edit of list) edited(claim, edit);
      await worker.take(JSON.parse(JSON.stringify(claim)));
      outcomes[ran().length > 0 ? 'ran' : 'refused']++;
      if (ran().length > 0) expectRan(honest, claim.runId);
      else expectNothing();
    });
    await fc.assert(property, { seed: SEED, numRuns: 400 });
    expect(outcomes.ran).toBeGreaterThan(40);
    expect(outcomes.refused).toBeGreaterThan(100);
  }, 120_000);
});

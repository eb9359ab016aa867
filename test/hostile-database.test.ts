import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jest } from '@jest/globals';
import { canonicalJson } from '../src/signatures/canonical-json.js';
import { KeySetFile } from '../src/worker/claims/key-set-file.js';
import { SeenRuns } from '../src/worker/claims/seen-runs.js';
import { StateDir } from '../src/worker/state/state-dir.js';
import { Creator, keySetJson, newQueue, setPolicy } from './support/creator.js';
import { SmallWorker } from './support/small-worker.js';
import { ok, Tasks, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/*
 * The real service, whose database is in the hands of an attacker, and a worker that wants signatures. Whatever is written into the tables,
 * it runs what the creator signed, or nothing, and says why.
 */

type Fields = Record<string, unknown>;

const AUDIENCE = 'https://tasks.example.com';
const creator = new Creator(AUDIENCE);
const attacker = new Creator(AUDIENCE);

const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'leasehold-hostile-database-')));
const [root, marker, keys] = ['runs', 'marker', 'keys.json'].map((name) => path.join(directory, name)) as [string, string, string];

let test: TestService;
let tasks: Tasks;
let state: StateDir;
let keySet: KeySetFile;
let seen: SeenRuns;
let worker: SmallWorker;
let taskQueueId: string;

beforeAll(async () => {
  test = await startTestService({ signatureAudience: AUDIENCE, claimPoll: 0, sweepInterval: 600 });
  tasks = new Tasks(test.root, test.database);
  StateDir.open(root).close();
  state = StateDir.open(path.join(directory, 'state'));
  writeFileSync(keys, JSON.stringify(keySetJson(1, creator)), { mode: 0o600 });
  keySet = KeySetFile.open({ path: keys, stateDir: state, log: () => undefined });
  seen = SeenRuns.open(state, seconds());
});
beforeEach(async () => {
  for (const name of readdirSync(root)) rmSync(path.join(root, name), { recursive: true });
  rmSync(marker, { force: true });
  taskQueueId = newQueue();
  await setPolicy(test.root, taskQueueId, 'require', keySetJson(1, creator));
});
afterAll(async () => {
  seen.close();
  state.close();
  await test.close();
  rmSync(directory, { recursive: true });
});

const seconds = () => Math.floor(Date.now() / 1000);
const sql = (text: string, values: unknown[]) => test.database.pool.query(text, values);
const definitionBecomes = (taskId: string, definition: Fields) =>
  sql('update task_definition set definition = $2::text::json where task_id = $1', [taskId, JSON.stringify(definition)]);

/** What the run did, if there was one. */
const ran = () => ({ words: existsSync(marker) ? readFileSync(marker, 'utf8') : '', directories: readdirSync(root).length });
const NOTHING = { words: '', directories: 0 };

/** A signed task whose run leaves a word where it can be seen. */
async function created(overrides: Fields = {}, maxRuns = 6) {
  const script = "const { argv, env } = process; fs.appendFileSync(argv[1], argv[2] + env.WORD + '\\n')";
  const payload = { command: [process.execPath, '-e', script, marker, 'ran '], env: { WORD: 'honest' } };
  const { taskId, body, jws } = await creator.signed({ taskQueueId, payload, retries: 3, ...overrides }, { maxRuns });
  const { status } = await ok(tasks.put(taskId, { ...body, signature: jws }));
  return { taskId, body, jws, ...(status.signature as { kid: string; payloadDigest: string }) };
}

/** What claimWork answers, given to a worker that asks for signatures whatever the queue says. */
async function claimAndTake(): Promise<void> {
  const { tasks: claims } = await ok(tasks.claimWork(taskQueueId));
  expect(claims).toHaveLength(1);
  await take(claims[0]);
}

async function take(claim: unknown): Promise<void> {
  worker = new SmallWorker({
    terms: () => ({ policy: 'require', taskQueueId, audience: AUDIENCE, now: seconds(), skew: 60, keySet: keySet.current(), seen }),
    root,
    report: ({ taskId, runId, queue }, what, body) =>
      ok(test.root.as(queue!.credentials as never).post(`/queue/v1/task/${taskId}/runs/${runId}/${what}`, body)),
    log: () => undefined,
  });
  await worker.take(claim);
}

async function expectRefused(taskId: string, code: string, more: Fields = {}, runId = 0): Promise<void> {
  const { state, runs } = await tasks.status(taskId);
  const reason = code === 'signature-missing' ? code : 'signature-invalid';
  expect({ state, run: runs[runId] }).toMatchObject({
    state: 'exception',
    run: { state: 'exception', reasonResolved: reason, signature: { verdict: 'failed', code, ...more } },
  });
}

it('what is left alone runs, once, and its digest is told', async () => {
  const { taskId, kid, payloadDigest } = await created();
  await claimAndTake();
  expect(ran()).toEqual({ words: 'ran honest\n', directories: 1 });
  const { state, runs } = await tasks.status(taskId);
  expect([state, runs[0].signature]).toMatchObject(['completed', { verdict: 'verified', kid, payloadDigest }]);
});

const EDITS: [string, (body: Fields) => Fields][] = [
  ['another command', (body) => ({ ...body, payload: { ...(body.payload as Fields), command: ['touch', marker] } })],
  ['another environment', (body) => ({ ...body, payload: { ...(body.payload as Fields), env: { WORD: 'evil' } } })],
  [
    'one more variable',
    (body) => ({ ...body, payload: { ...(body.payload as Fields), env: { WORD: 'honest', LD_PRELOAD: '/tmp/x.so' } } }),
  ],
  ['wider scopes', (body) => ({ ...body, scopes: ['*'] })],
  ['a later deadline', (body) => ({ ...body, deadline: new Date(Date.now() + 86_400_000).toISOString() })],
  ['no dependencies', (body) => ({ ...body, dependencies: [] })],
  ['a route', (body) => ({ ...body, routes: ['index.evil'] })],
  ['an environment beside the payload', (body) => ({ ...body, env: { WORD: 'evil' } })],
  ['one more retry', (body) => ({ ...body, retries: 4 })],
];

it.each(EDITS)('(2, 3, 4, 40, 69) a definition with %s is not run', async (_, edit) => {
  const first = await created();
  await claimAndTake();
  const { taskId, body, kid, payloadDigest } = await created({ dependencies: [first.taskId], requires: 'all-resolved' });
  const before = ran();
  await definitionBecomes(taskId, edit(body));
  await claimAndTake();
  expect(ran()).toEqual(before);
  await expectRefused(taskId, 'definition-mismatch', { kid, payloadDigest });
});

it('a definition with its members in another order is the same', async () => {
  const { taskId, body } = await created();
  await definitionBecomes(taskId, JSON.parse(canonicalJson(body)));
  await claimAndTake();
  expect(ran().words).toBe('ran honest\n');
  expect(await tasks.state(taskId)).toBe('completed');
});

it('(55) without its signature, and with a policy that does not want one, it is not run', async () => {
  const { taskId } = await created();
  await sql('update task_definition set signature = null where task_id = $1', [taskId]);
  await setPolicy(test.root, taskQueueId, 'off');
  await claimAndTake();
  expect(ran()).toEqual(NOTHING);
  await expectRefused(taskId, 'signature-missing');
});

it('(26) signed by the attacker, under the name of the creator, it is not run', async () => {
  const { taskId, body, kid } = await created();
  const evil = { ...body, payload: { command: ['touch', marker] } };
  await definitionBecomes(taskId, evil);
  await sql('update task_definition set signature = $2 where task_id = $1', [taskId, await attacker.sign(taskId, evil)]);
  await setPolicy(test.root, taskQueueId, 'require', keySetJson(2, attacker)); // the queue's own keys are no help
  await claimAndTake();
  expect(ran()).toEqual(NOTHING);
  await expectRefused(taskId, 'signature-invalid', { kid });
});

it('(35) what was signed for one task is not run as another', async () => {
  const [one, other] = [await created(), await created({ metadata: { name: 'x', description: '', owner: 'o', source: 'https://a.b' } })];
  for (const [taskId, { body, jws }] of [[one.taskId, other] as const, [other.taskId, one] as const]) {
    await definitionBecomes(taskId, body);
    await sql('update task_definition set signature = $2 where task_id = $1', [taskId, jws]);
  }
  await claimAndTake();
  await claimAndTake();
  expect(ran()).toEqual(NOTHING);
  await expectRefused(one.taskId, 'signature-context-mismatch', { payloadDigest: other.payloadDigest });
  await expectRefused(other.taskId, 'signature-context-mismatch', { payloadDigest: one.payloadDigest });
});

it('(36) nor in another task queue', async () => {
  const { taskId } = await created();
  taskQueueId = newQueue();
  await tasks.alter(taskId, `task_queue_id = '${taskQueueId}'`);
  await claimAndTake();
  expect(ran()).toEqual(NOTHING);
  await expectRefused(taskId, 'signature-context-mismatch');
});

it('(41) a run that was handed out once is not run when it is handed out again', async () => {
  const { taskId } = await created();
  await claimAndTake();
  const once = ran();
  await tasks.alter(taskId, `state = 'pending', resolved = null, reason_resolved = null, run_signature = null`);
  await claimAndTake();
  expect(ran()).toEqual(once);
  const { state: still, runs } = await tasks.status(taskId);
  expect([still, runs[0].signature]).toEqual(['running', undefined]); // it may be under way: who has it lets it lapse
});

it('(38) nor is it run more often than it was signed for', async () => {
  const { taskId } = await created({}, 2);
  for (const runId of [0, 1]) {
    await claimAndTake();
    expect(await tasks.state(taskId)).toBe('completed');
    expect(ran().directories).toBe(runId + 1);
    await ok(tasks.steer('rerun', taskId));
  }
  await claimAndTake();
  expect(ran().directories).toBe(2);
  await expectRefused(taskId, 'signature-context-mismatch', {}, 2);
});

it('(48) keys come and go with the file, whatever the queue believes; (62) another worker may know more', async () => {
  const late = new Creator(AUDIENCE, 'late');
  await setPolicy(test.root, taskQueueId, 'require', keySetJson(3, creator, late));
  const { taskId, body } = await late.signed({ taskQueueId, payload: { command: ['touch', marker] } });
  await ok(tasks.put(taskId, { ...body, signature: await late.sign(taskId, body) }));
  await claimAndTake();
  expect(ran()).toEqual(NOTHING);
  expect(worker.heldBackUntil).toBeGreaterThan(seconds());
  const { state: waiting, runs } = await tasks.status(taskId);
  expect([waiting, runs[0].signature]).toMatchObject(['pending', { code: 'signature-unknown-key', kid: 'late' }]);
  writeFileSync(keys, JSON.stringify(keySetJson(2, creator, late)));
  await tasks.alter(taskId, 'not_before = null');
  await take(await ok(tasks.claimTask(taskId, 1, { ...WORKER, workerId: 'another' })));
  expect(await tasks.state(taskId)).toBe('completed');
  writeFileSync(keys, JSON.stringify(keySetJson(3, creator)));
  const next = await late.signed({ taskQueueId });
  await ok(tasks.put(next.taskId, { ...next.body, signature: next.jws }));
  await take((await ok(tasks.claimWork(taskQueueId, 1, { ...WORKER, workerId: 'another' }))).tasks[0]);
  expect((await tasks.status(next.taskId)).runs[0].signature).toMatchObject({ code: 'signature-unknown-key' });
});

it('(58) a worker whose disk is full runs nothing and ends nothing: another one does', async () => {
  const { taskId } = await created();
  const full = jest.spyOn(seen, 'begin').mockImplementationOnce(() => { throw Object.assign(new Error(), { code: 'ENOSPC' }); }); // biome-ignore format: one thing
  await claimAndTake();
  full.mockRestore();
  expect(ran()).toEqual(NOTHING);
  expect(worker.heldBackUntil).toBe(Number.POSITIVE_INFINITY);
  const { state: waiting, runs } = await tasks.status(taskId);
  expect([waiting, runs]).toMatchObject(['pending', [{ reasonResolved: 'worker-shutdown' }, { state: 'pending' }]]);
  await claimAndTake();
  expect(await tasks.state(taskId)).toBe('completed');
});

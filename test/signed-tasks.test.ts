import { createHash } from 'node:crypto';
import { jest } from '@jest/globals';
import taskcluster from 'taskcluster-client';
import { Quarantine } from '../src/service/fleet/quarantine.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { SignatureCounts } from '../src/service/signatures/signature-counts.js';
import { SignaturePolicies } from '../src/service/signatures/signature-policies.js';
import { verifyTask } from '../src/signatures/verify-task.js';
import { type Answer, definition, slugid } from './support/api.js';
import { Creator, keySetJson, keySetOf, newQueue, setPolicy } from './support/creator.js';
import { EventReader } from './support/event-reader.js';
import { eventually } from './support/service-process.js';
import { ok, refused, Tasks, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

type Fields = Record<string, unknown>;

const AUDIENCE = 'the deployment of this test';
const creator = new Creator(AUDIENCE);
const p256 = new Creator(AUDIENCE, 'p256', 'ES256');
const stranger = new Creator(AUDIENCE, 'stranger');
const impostor = new Creator(AUDIENCE, 'creator');
const expired = new Creator(AUDIENCE, 'expired', 'EdDSA', { exp: 1_500_000_000 });
const elsewhere = new Creator(AUDIENCE, 'elsewhere', 'EdDSA', { taskQueues: ['builds/*'] });
const KEYS = keySetJson(1, creator, p256, expired, elsewhere);

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ signatureAudience: AUDIENCE, claimPoll: 0, sweepInterval: 600 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

/** A new queue with that policy and these keys. */
async function queue(policy: 'off' | 'warn' | 'require', keys: Fields | undefined = KEYS): Promise<string> {
  const taskQueueId = newQueue();
  if (policy !== 'off') await setPolicy(test.root, taskQueueId, policy, keys);
  return taskQueueId;
}

const seconds = () => Math.floor(Date.now() / 1000);
const payloadDigest = (jws: string) =>
  createHash('sha256')
    .update(Buffer.from(jws.split('.')[1]!, 'base64url'))
    .digest('hex');
const iatOf = (jws: string): number => JSON.parse(Buffer.from(jws.split('.')[1]!, 'base64url').toString()).iat;
const detailOf = async (answer: Promise<Answer>) => {
  const { status, body } = await answer;
  return `${status} ${body.code} ${body.detail}`;
};
const claim = async (taskQueueId: string, worker: object = WORKER) => (await ok(tasks.claimWork(taskQueueId, 1, worker))).tasks[0];

/** What a worker of ours does: throws unless the claim is of just what was signed. */
function verified(claim: Fields & { status: Fields }, from: Creator = creator) {
  const { taskId, taskQueueId } = claim.status as { taskId: string; taskQueueId: string };
  const expectation = { audience: AUDIENCE, taskId, taskQueueId, runId: Number(claim.runId), now: seconds(), skew: 60 };
  return verifyTask(String(claim.signature), expectation, keySetOf(from), claim.task);
}

/** A signed task in that queue. */
async function created(taskQueueId: string, overrides: Fields = {}, by = creator) {
  const { taskId, body, jws } = await by.signed({ taskQueueId, ...overrides });
  await ok(tasks.put(taskId, { ...body, signature: jws }));
  return { taskId, body, jws, payloadDigest: payloadDigest(jws) };
}

describe('a signed task', () => {
  it('is verified when it is created; each claim carries what was signed, whatever its priority is by then', async () => {
    const taskQueueId = await queue('require');
    for (const by of [creator, p256]) {
      const { taskId, body, jws, payloadDigest } = await created(taskQueueId, { priority: 'low' }, by);
      const found = { verdict: 'verified', kid: by.kid, payloadDigest, thumbprint: keySetOf(by).keys[by.kid]?.thumbprint };
      expect((await tasks.status(taskId)).signature).toEqual(found);
      await ok(test.root.post(`/queue/v1/task/${taskId}/priority`, { newPriority: 'highest' }));
      expect(await tasks.status(taskId)).toMatchObject({ priority: 'highest', signature: found });
      const pending = await ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/pending`));
      expect(pending.tasks).toMatchObject([{ taskId, task: body }]);
      const claims = [await claim(taskQueueId), await ok(tasks.claimTask(taskId))];
      const claimed = await ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/claimed`));
      expect(claimed.tasks).toContainEqual(expect.objectContaining({ taskId, task: body }));
      for (const one of claims) {
        expect(one).toMatchObject({ signature: jws, signaturePolicy: 'require', task: body });
        expect(verified(one, by)).toMatchObject({ kid: by.kid, payloadDigest, definition: body });
      }
      expect(await ok(test.root.get(`/queue/v1/task/${taskId}`))).toEqual(body);
      const { tasks: listed } = await ok(test.root.get(`/queue/v1/task-group/${taskId}/list`));
      expect(listed[0].task).toEqual(body);
      expect(await ok(test.root.get(`/queue/v1/task/${taskId}/signature`))).toEqual({ signature: jws });
    }
  });

  it('counts as large as it is with its signature, where answers are bounded', async () => {
    const taskQueueId = await queue('require');
    const alone = await created(taskQueueId);
    const [first, second] = [await creator.signed({ taskQueueId }), await creator.signed({ taskQueueId })];
    const batch = [first, second].map(({ taskId, body, jws }) => ({ taskId, task: { ...body, signature: jws } }));
    await ok(test.root.post('/queue/v1/tasks/create', { tasks: batch }));
    const dependent = await created(taskQueueId, { dependencies: [alone.taskId] });
    const { rows } = await test.database.pool.query(
      `select count(*)::integer from task_definition
        where task_id = any($1) and size = octet_length(definition::text) + octet_length(signature)`,
      [[alone, first, second, dependent].map(({ taskId }) => taskId)],
    );
    expect(rows).toEqual([{ count: 4 }]);
  });

  it('is answered with its signature again by the key of a lost answer, and when it is run once more', async () => {
    const taskQueueId = await queue('require');
    const { taskId, jws } = await created(taskQueueId);
    const byKey = () => tasks.claimWork(taskQueueId, 1, WORKER, { 'idempotency-key': 'lost' });
    for (const answer of [await ok(byKey()), await ok(byKey())]) expect(answer.tasks[0].signature).toBe(jws);
    await ok(tasks.report('worker-shutdown', taskId));
    const again = await claim(taskQueueId);
    expect(again).toMatchObject({ runId: 1, signature: jws });
    verified(again);
  });

  it('may be sent as its creator wrote it, if what was signed is what comes of it', async () => {
    const taskQueueId = await queue('require');
    const written = definition({ taskQueueId, expires: undefined, scopes: undefined });
    const { taskId, body, jws } = await creator.signed(written);
    await ok(tasks.put(taskId, { ...written, signature: jws }));
    expect(await ok(test.root.get(`/queue/v1/task/${taskId}`))).toEqual(body);
    verified(await claim(taskQueueId));
  });

  it('where nobody wants signatures is stored with its own, unchecked, so that workers may want it', async () => {
    const taskQueueId = await queue('off');
    const { taskId, payloadDigest, jws } = await created(taskQueueId, {}, stranger);
    expect((await tasks.status(taskId)).signature).toEqual({ verdict: 'unchecked', kid: 'stranger', payloadDigest });
    const one = await claim(taskQueueId);
    expect(one.signature).toBe(jws);
    expect(one.signaturePolicy).toBeUndefined();
    verified(one, stranger);
    const plain = await tasks.create({ taskQueueId });
    expect((await tasks.status(plain)).signature).toBeUndefined();
    const unsigned = await claim(taskQueueId);
    expect(Object.keys(unsigned)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^signature/)]));
  });

  it('(33) is the same task if what was signed is the same, however often it was signed', async () => {
    const taskQueueId = await queue('warn');
    const { taskId, body, jws } = await p256.signed({ taskQueueId });
    const status = (await ok(tasks.put(taskId, { ...body, signature: jws }))).status;
    const iat = iatOf(jws);
    const again = await p256.sign(taskId, body, { iat });
    expect(again).not.toBe(jws);
    expect((await ok(tasks.put(taskId, { ...body, signature: again }))).status).toEqual(status);
    expect(await ok(test.root.get(`/queue/v1/task/${taskId}/signature`))).toEqual({ signature: jws });
    const other = await p256.sign(taskId, body, { iat, maxRuns: 7 });
    expect(await refused(tasks.put(taskId, { ...body, signature: other }), 409)).toMatch(
      /exists already with another definition or signature/,
    );
    expect(await refused(tasks.put(taskId, body), 409)).toMatch(/exists already/);
    const before = await creator.signed({ taskQueueId: await queue('off') });
    await ok(tasks.put(before.taskId, { ...before.body, signature: before.jws }));
    await setPolicy(test.root, String(before.body.taskQueueId), 'require', KEYS); // what is found of it changes; it is the same all the same
    await ok(tasks.put(before.taskId, { ...before.body, signature: before.jws }));
    await ok(
      test.root.post('/queue/v1/tasks/create', { tasks: [{ taskId: before.taskId, task: { ...before.body, signature: before.jws } }] }),
    );
    const forged = await impostor.signed({ taskQueueId });
    const genuine = await creator.sign(forged.taskId, forged.body, { iat: iatOf(forged.jws) });
    expect((await ok(tasks.put(forged.taskId, { ...forged.body, signature: forged.jws }))).status.signature.verdict).toBe('failed');
    await ok(tasks.put(forged.taskId, { ...forged.body, signature: forged.jws }));
    await refused(tasks.put(forged.taskId, { ...forged.body, signature: genuine }), 409); // not taken for the bad one that came first
    const plain = await tasks.create(body);
    const late = await p256.sign(plain, { ...body, taskGroupId: plain });
    expect(await refused(tasks.put(plain, { ...body, taskGroupId: plain, signature: late }), 409)).toMatch(/exists already/);
  });

  it('has no signature to be got where there is none; nor is there one for who may not see the task', async () => {
    const taskQueueId = await queue('off');
    const taskId = await tasks.create({ taskQueueId });
    const path = (id: string) => `/queue/v1/task/${id}/signature`;
    expect(await refused(test.root.get(path(taskId)), 404)).toMatch(/was created without a signature/);
    expect(await refused(test.root.get(path(slugid())), 404)).toMatch(/does not exist/);
    const nobody = await test.client('queue:get-task:other');
    await refused(nobody.get(path(taskId)), 403);
    await refused(nobody.get(path(slugid())), 403);
  });
});

/** Each is the body of a request: what is wrong with it, how it comes about, and the code. */
const NEVER_GOOD: [string, (taskQueueId: string) => Promise<{ taskId: string; body: Fields }>, string][] = [
  ['no JWS', async (taskQueueId) => changed({ taskQueueId }, { signature: 'a.b' }), 'signature-malformed'],
  ['alg none', async (taskQueueId) => changed({ taskQueueId }, { signature: 'eyJhbGciOiJub25lIn0.e30.' }), 'signature-malformed'],
  [
    '(35) of another task',
    async (taskQueueId) => ({ ...(await changed({ taskQueueId })), taskId: slugid() }),
    'signature-context-mismatch',
  ],
  [
    '(36) of another task queue',
    async (taskQueueId) => {
      const { taskId, body } = await creator.signed({ taskQueueId });
      const { taskQueueId: _, provisionerId, workerType, ...rest } = body;
      const other = { ...rest, provisionerId: 'other', workerType: 'queue', taskQueueId: 'other/queue' };
      return { taskId, body: { ...body, signature: await creator.sign(taskId, other) } };
    },
    'signature-context-mismatch',
  ],
  [
    '(37) of another deployment',
    async (taskQueueId) => {
      const { taskId, body } = await creator.signed({ taskQueueId });
      return { taskId, body: { ...body, signature: await creator.sign(taskId, body, { audience: 'another' }) } };
    },
    'signature-context-mismatch',
  ],
  ['(39) over', (taskQueueId) => timed(taskQueueId, { iat: seconds() - 3600, exp: seconds() - 61 }), 'signature-expired'],
  ['(39) from the future', (taskQueueId) => timed(taskQueueId, { iat: seconds() + 90 }), 'signature-not-yet-valid'],
  ['(42) good for longer than the deadline', (taskQueueId) => timed(taskQueueId, { exp: seconds() + 3700 }), 'signature-payload-invalid'],
  ['(40) with scopes widened', (taskQueueId) => changed({ taskQueueId, scopes: ['a:b'] }, { scopes: ['a:*'] }), 'definition-mismatch'],
  [
    '(44) with its dependencies gone',
    (taskQueueId) => changed({ taskQueueId, dependencies: [slugid()] }, { dependencies: [] }),
    'definition-mismatch',
  ],
  ['(44) with a route added', (taskQueueId) => changed({ taskQueueId }, { routes: ['a.b'] }), 'definition-mismatch'],
  ['with another command', (taskQueueId) => changed({ taskQueueId }, { payload: { command: ['false'] } }), 'definition-mismatch'],
  ['with another priority', (taskQueueId) => changed({ taskQueueId, priority: 'low' }, { priority: 'high' }), 'definition-mismatch'],
  [
    '(73) not in the form in which it is stored',
    async (taskQueueId) => {
      const { taskId, body } = await creator.signed({ taskQueueId, expires: undefined });
      const { schedulerId, expires, ...short }: Fields = { ...body, created: String(body.created).replace('Z', '000Z') };
      return { taskId, body: { ...body, signature: await creator.sign(taskId, short) } };
    },
    'definition-mismatch',
  ],
];

async function changed(overrides: Fields, change: Fields = {}): Promise<{ taskId: string; body: Fields }> {
  const { taskId, body, jws } = await creator.signed(overrides);
  return { taskId, body: { ...body, signature: jws, ...change } };
}

async function timed(taskQueueId: string, times: { iat?: number; exp?: number }): Promise<{ taskId: string; body: Fields }> {
  const { taskId, body } = await creator.signed({ taskQueueId });
  return { taskId, body: { ...body, signature: await creator.sign(taskId, body, times) } };
}

const byKeyOf = (by: Creator) => async (taskQueueId: string) => {
  const { taskId, body, jws } = await by.signed({ taskQueueId });
  return { taskId, body: { ...body, signature: jws } };
};
const BY_KEY: typeof NEVER_GOOD = [
  ['that is missing', async (taskQueueId) => ({ taskId: slugid(), body: definition({ taskQueueId }) }), 'signature-missing'],
  ['(24) by a key that nobody knows', byKeyOf(stranger), 'signature-unknown-key'],
  ['(26) by another key of that name', byKeyOf(impostor), 'signature-invalid'],
  ['(46) by a key that has expired', byKeyOf(expired), 'signature-key-not-valid'],
  ['(47) by a key for other task queues', byKeyOf(elsewhere), 'signature-key-not-allowed'],
];

describe('(60) a task is refused, and nothing is stored, with a signature', () => {
  let queues: Record<'off' | 'warn' | 'require', string>;
  beforeAll(async () => {
    queues = { off: await queue('off'), warn: await queue('warn'), require: await queue('require') };
  });

  async function expectRefusal({ taskId, body }: { taskId: string; body: Fields }, code: string): Promise<string> {
    const before = await tasks.rowCounts();
    const alone = tasks.put(taskId, body);
    expect(await detailOf(alone)).toBe(`400 SignatureRefused ${code}`);
    const { taskQueueId } = body;
    const batch = test.root.post('/queue/v1/tasks/create', {
      tasks: [
        { taskId: slugid(), task: { ...(await byKeyOf(creator)(String(taskQueueId))).body, signature: undefined } },
        { taskId, task: body },
      ],
    });
    if (code === 'signature-missing') await batch;
    else expect((await batch).status).toBe(400);
    expect(await tasks.rowCounts()).toEqual(before);
    return String((await alone).body.message).split('\n')[0] as string;
  }

  it.each(NEVER_GOOD)('%s, whatever the policy', async (what, request, code) => {
    for (const taskQueueId of Object.values(queues)) {
      const one = await request(taskQueueId);
      const expected = what.startsWith('(73)') ? 'signed-definition-not-normalized' : code;
      expect(await expectRefusal(one, expected)).toMatch(new RegExp(`^${expected}: `));
    }
  });

  it('(73) that is not of the stored form, and is told which members are not', async () => {
    const [, request] = NEVER_GOOD.at(-1)!;
    expect(await expectRefusal(await request(queues.require), 'signed-definition-not-normalized')).toMatch(
      /it differs in schedulerId, created, expires: sign all that the queue would fill in/,
    );
  });

  it.each(BY_KEY)('%s, where one is required', async (_, request, code) => {
    await expectRefusal(await request(queues.require), code);
  });

  it('(63) without a word of what the task says', async () => {
    const secret = 'hunter2-of-the-payload';
    const one = await changed({ taskQueueId: queues.require, payload: { env: { A: secret } } }, { payload: { env: { A: `${secret}!` } } });
    expect(await expectRefusal(one, 'definition-mismatch')).not.toContain(secret);
  });

  it('that is empty', async () => {
    const one = await changed({ taskQueueId: queues.require }, { signature: '' });
    expect(await refused(tasks.put(one.taskId, one.body), 400)).toMatch(/signature must be longer/);
  });

  it('of more than 1 MiB', async () => {
    const one = await changed({ taskQueueId: queues.require }, { signature: 'x'.repeat(1024 * 1024 + 1) });
    expect(await refused(tasks.put(one.taskId, one.body), 400)).toMatch(/signature must be shorter than or equal to 1048576 characters/);
  });

  it('in a batch, by its place', async () => {
    const good = await byKeyOf(creator)(queues.require);
    const bad = await byKeyOf(stranger)(queues.require);
    const send = (...batch: (typeof good)[]) =>
      test.root.post('/queue/v1/tasks/create', { tasks: batch.map(({ taskId, body }) => ({ taskId, task: body })) });
    const answer = await send(good, bad);
    expect([answer.status, answer.body.code, answer.body.detail]).toEqual([400, 'SignatureRefused', 'signature-unknown-key']);
    expect(answer.body.message).toMatch(/^tasks\[1\]: signature-unknown-key: /);
    expect((await test.root.get(`/queue/v1/task/${good.taskId}`)).status).toBe(404);
    const other = await byKeyOf(p256)(queues.require);
    for (const { tasks: made } of [await ok(send(good, other)), await ok(send(good, other))]) {
      expect(made.map(({ status }: { status: Fields }) => status.signature)).toEqual([
        expect.objectContaining({ verdict: 'verified', kid: 'creator' }),
        expect.objectContaining({ verdict: 'verified', kid: 'p256' }),
      ]);
    }
    verified(await ok(tasks.claimTask(good.taskId)));
    const { signature: _, ...plain } = good.body;
    const otherwise = { ...good, body: { ...good.body, signature: await creator.sign(good.taskId, plain, { maxRuns: 2 }) } };
    expect(await refused(send(otherwise), 409)).toMatch(/^tasks\[0\]: .*another definition or signature/);
  });
});

describe('where the policy is `warn`', () => {
  it.each(BY_KEY)('a task runs with a signature %s, and is marked', async (_, request, code) => {
    const taskQueueId = await queue('warn');
    const { taskId, body } = await request(taskQueueId);
    await ok(tasks.put(taskId, body));
    const jws = body.signature as string | undefined;
    const kid = jws && JSON.parse(Buffer.from(jws.split('.')[0]!, 'base64url').toString()).kid;
    const marked = { verdict: 'failed', code, ...(jws && { kid, payloadDigest: payloadDigest(jws) }) };
    expect((await tasks.status(taskId)).signature).toEqual(marked);
    expect(await claim(taskQueueId)).toMatchObject({
      signaturePolicy: 'warn',
      ...(jws && { signature: jws }),
      status: { signature: marked },
    });
  });

  it('and there are no keys yet, all is marked', async () => {
    const taskQueueId = newQueue();
    await setPolicy(test.root, taskQueueId, 'warn');
    const { taskId } = await created(taskQueueId);
    expect((await tasks.status(taskId)).signature).toMatchObject({ verdict: 'failed', code: 'keyset-unavailable' });
  });
});

describe('a worker that refuses a task', () => {
  const refuse = (taskId: string, runId: number, reason: string, signature?: Fields) =>
    test.root.post(`/queue/v1/task/${taskId}/runs/${runId}/exception`, { reason, ...(signature && { signature }) });

  it('(55, 61, 63) ends the run as an exception, which says by whom it was and of what; (62) nobody tries again', async () => {
    const taskQueueId = await queue('require');
    const { taskId, payloadDigest } = await created(taskQueueId, { retries: 5 });
    const events = await EventReader.open(test.root, { taskId });
    await claim(taskQueueId);
    const found = { code: 'definition-mismatch', kid: 'creator', payloadDigest };
    const { status } = await ok(refuse(taskId, 0, 'signature-invalid', found));
    const run = { state: 'exception', reasonResolved: 'signature-invalid', signature: { verdict: 'failed', ...found } };
    expect(status).toMatchObject({ state: 'exception', retriesLeft: 5, runs: [run] });
    expect((await ok(refuse(taskId, 0, 'signature-invalid', found))).status).toEqual(status); // as with every report
    await events.until(() => events.events.some(({ kind }) => kind === 'task-exception'));
    const told = events.events.find(({ kind }) => kind === 'task-exception')?.data;
    expect(told.status).toEqual(status);
    await events.close();
    await ok(tasks.steer('rerun', taskId)); // by hand it may be run again
    expect(await claim(taskQueueId)).toMatchObject({ runId: 1, status: { runs: [run, { state: 'running' }] } });
    expect((await tasks.status(taskId)).runs[1].signature).toBeUndefined();
    const plain = await tasks.create({ taskQueueId: await queue('off'), retries: 5 });
    await ok(tasks.claimTask(plain));
    expect((await ok(refuse(plain, 0, 'signature-missing'))).status).toMatchObject({
      state: 'exception',
      retriesLeft: 5,
      runs: [{ reasonResolved: 'signature-missing', signature: { verdict: 'failed', code: 'signature-missing' } }],
    });
  });

  it('(62) since it does not know the key, leaves it to another one, three times at most, and waits a while itself, whichever replica it asks', async () => {
    const taskQueueId = await queue('require');
    const { taskId } = await created(taskQueueId, { retries: 9 });
    const there = await test.replica();
    const elsewhere = new Tasks(there.root, test.database);
    const found = { code: 'signature-unknown-key', kid: 'creator' };
    const worker = (n: number) => ({ workerGroup: 'group', workerId: `worker-${n}` });
    const given = async (by: Tasks, n: number) => (await ok(by.claimWork(taskQueueId, 1, worker(n)))).tasks;
    const expectGiven = async (by: Tasks, n: number) => {
      let runs: unknown[] = [];
      await eventually('it is looked for again, once a second', async () => {
        runs = await given(by, n);
        return runs.length > 0;
      });
      expect(runs).toMatchObject([{ runId: n }]);
    };
    for (const n of [0, 1, 2]) {
      await expectGiven(tasks, n);
      const { status } = await ok(refuse(taskId, n, 'signature-invalid', found));
      expect(status).toMatchObject({ state: 'pending', retriesLeft: 8 - n });
      expect(status.runs[n]).toMatchObject({ reasonResolved: 'signature-invalid', signature: { verdict: 'failed', ...found } });
      expect(status.runs[n + 1]).toMatchObject({ state: 'pending', reasonCreated: 'retry' });
      for (const by of [tasks, elsewhere]) expect(await given(by, 9)).toEqual([]); // nobody, until all replicas know
      await eventually('the other replica knows', () => there.service.app.get(Quarantine).holds(taskQueueId, worker(n)));
      await tasks.alter(taskId, `not_before = now() - interval '1 second'`);
      for (const by of [tasks, elsewhere]) for (const m of [0, n]) expect(await given(by, m)).toEqual([]);
      expect(await refused(tasks.claimTask(taskId, n + 1, worker(n)), 409)).toMatch(/held back/);
    }
    const { rows } = await test.database.pool.query(
      'select extract(epoch from held_back_until - now())::float as seconds from worker where task_queue_id = $1 and worker_id = $2',
      [taskQueueId, 'worker-2'],
    );
    expect(rows).toEqual([{ seconds: expect.closeTo(30, -1) }]);
    expect(await claim(await queueWith(), worker(0))).toBeDefined(); // of other queues it is given
    await expectGiven(elsewhere, 3);
    const { status } = await ok(refuse(taskId, 3, 'signature-invalid', found));
    expect(status).toMatchObject({ state: 'exception', retriesLeft: 6, runs: [{}, {}, {}, { state: 'exception', signature: found }] });
    await test.database.pool.query(`update worker set held_back_until = now() - interval '1 second' where task_queue_id = $1`, [
      taskQueueId,
    ]);
    await test.service.app.get(Quarantine).refresh();
    await created(taskQueueId);
    expect(await given(tasks, 0)).toHaveLength(1);
    await there.close();
  });

  it('(62) is held back also where nothing is tried again; what a run that ran was marked with is no try', async () => {
    const taskQueueId = await queue('require');
    const found = { code: 'signature-unknown-key', kid: 'creator' };
    const worker = (workerId: string) => ({ workerGroup: 'group', workerId });
    const last = await created(taskQueueId, { retries: 0 });
    await claim(taskQueueId, worker('stale'));
    expect((await ok(refuse(last.taskId, 0, 'signature-invalid', found))).status.state).toBe('exception');
    await created(taskQueueId);
    expect(await claim(taskQueueId, worker('stale'))).toBeUndefined();
    const warned = await queue('warn');
    const { taskId } = await created(warned, { retries: 9 });
    for (const n of [0, 1, 2]) {
      await claim(warned, worker(`w${n}`));
      await ok(test.root.post(`/queue/v1/task/${taskId}/runs/${n}/signature`, { verdict: 'failed', ...found }));
      await ok(tasks.report('worker-shutdown', taskId, n));
    }
    await claim(warned, worker('w3'));
    expect((await ok(refuse(taskId, 3, 'signature-invalid', found))).status.state).toBe('pending');
    expect(await refused(tasks.claimTask(taskId, 4, worker('w4')), 409)).toMatch(/given out again in some seconds/);
  });

  it('(62) is held back only by a key that we know: nobody idles workers by a name that he made up', async () => {
    const found = { code: 'signature-unknown-key', kid: 'made-up' };
    const taskQueueId = await queue('off');
    const { taskId } = await created(taskQueueId, {}, stranger);
    await claim(taskQueueId);
    expect((await ok(refuse(taskId, 0, 'signature-invalid', found))).status).toMatchObject({ state: 'pending', retriesLeft: 4 });
    expect(await claim(taskQueueId)).toMatchObject({ runId: 1 }); // the same worker, at once
    const plain = await tasks.create({ taskQueueId });
    await ok(tasks.claimTask(plain));
    expect((await ok(refuse(plain, 0, 'signature-invalid', found))).status).toMatchObject({ state: 'exception', retriesLeft: 5 });
    expect(test.service.app.get(Quarantine).holds(taskQueueId, WORKER)).toBe(false);
  });

  it('(62) is not held back where a thousand others are', async () => {
    const taskQueueId = await queue('require');
    await test.database.pool.query(
      `insert into worker (task_queue_id, worker_group, worker_id, expires, held_back_until)
       select $1, 'g', 'w' || nth, now() + interval '1 day', now() + interval '1 minute' from generate_series(1, 1000) as nth`,
      [newQueue()],
    );
    const { taskId } = await created(taskQueueId);
    await claim(taskQueueId);
    await ok(refuse(taskId, 0, 'signature-invalid', { code: 'signature-unknown-key', kid: 'creator' }));
    expect(test.service.app.get(Quarantine).holds(taskQueueId, WORKER)).toBe(false);
    await test.database.pool.query(`delete from worker where worker_group = 'g'`);
  });

  it('must say what is wrong, and nothing else', async () => {
    const taskQueueId = await queue('off');
    const taskId = await tasks.create({ taskQueueId });
    await ok(tasks.claimTask(taskId));
    expect(await refused(refuse(taskId, 0, 'signature-invalid'), 400)).toMatch(/needs `signature`, whose code/);
    expect(await refused(refuse(taskId, 0, 'signature-invalid', { code: 'signature-missing' }), 400)).toMatch(/does not go with/);
    expect(await refused(refuse(taskId, 0, 'signature-missing', { code: 'signature-invalid' }), 400)).toMatch(/does not go with/);
    expect(await refused(refuse(taskId, 0, 'internal-error', { code: 'signature-invalid' }), 400)).toMatch(/leave it out/);
    expect(await refused(refuse(taskId, 0, 'signature-invalid', { code: 'bad' }), 400)).toMatch(/signature\.code/);
    expect(await refused(refuse(taskId, 0, 'signature-invalid', { code: 'signature-invalid', payloadDigest: 'x' }), 400)).toMatch(
      /SHA-256/,
    );
    expect(await refused(refuse(taskId, 0, 'signature-invalid', { code: 'signature-invalid', kid: 'a b' }), 400)).toMatch(/kid/);
    expect(await tasks.state(taskId)).toBe('running');
  });

  const queueWith = async () => {
    const taskQueueId = await queue('off');
    await tasks.create({ taskQueueId });
    return taskQueueId;
  };
});

describe('a worker tells what it found before it began', () => {
  const report = (taskId: string, runId: number, verdict: Fields, as = test.root) =>
    as.post(`/queue/v1/task/${taskId}/runs/${runId}/signature`, verdict);

  it('(75) the digest is kept with the run, and whoever audits it makes it anew from the signature', async () => {
    const taskQueueId = await queue('require');
    const { taskId } = await created(taskQueueId);
    const one = await claim(taskQueueId);
    const { kid, thumbprint, payloadDigest: digest } = verified(one);
    const verdict = { verdict: 'verified', kid, thumbprint, payloadDigest: digest };
    const run = test.root.as(one.credentials);
    const { status } = await ok(report(taskId, 0, verdict, run));
    expect(status.runs[0].signature).toEqual(verdict);
    expect((await ok(report(taskId, 0, verdict, run))).status).toEqual(status);
    expect(await refused(report(taskId, 0, { ...verdict, kid: 'other' }, run), 409)).toMatch(/reported otherwise before/);
    await ok(run.post(`/queue/v1/task/${taskId}/runs/0/completed`));
    const { signature } = await ok(test.root.get(`/queue/v1/task/${taskId}/signature`));
    expect(payloadDigest(signature)).toBe((await tasks.status(taskId)).runs[0].signature.payloadDigest);
    expect(await refused(report(taskId, 0, { ...verdict, kid: 'other' }), 409)).toMatch(/reported otherwise|completed/);
  });

  it('(56) a run of an unsigned task is marked, and stays so to its end', async () => {
    const taskQueueId = await queue('warn');
    const taskId = await tasks.create({ taskQueueId });
    const one = await claim(taskQueueId);
    const verdict = { verdict: 'failed', code: 'signature-missing' };
    await ok(report(taskId, 0, verdict, test.root.as(one.credentials)));
    await ok(tasks.report('worker-shutdown', taskId));
    expect((await ok(report(taskId, 0, verdict))).status.runs[0].signature).toEqual(verdict); // told again, of a run that is past
    const again = await claim(taskQueueId);
    await ok(report(taskId, 1, { ...verdict, code: 'signature-malformed' }, test.root.as(again.credentials)));
    await tasks.lapse(taskId);
    await test.service.app.get(SweepService).sweep();
    await claim(taskQueueId);
    await ok(tasks.report('completed', taskId, 2));
    const { runs } = await tasks.status(taskId);
    expect(runs.map(({ signature }: Fields) => signature)).toEqual([verdict, { ...verdict, code: 'signature-malformed' }, undefined]);
  });

  it.each<[string, Fields, number, RegExp]>([
    ['a verdict that there is not', { verdict: 'good' }, 400, /verdict/],
    ['verified by nobody', { verdict: 'verified', payloadDigest: '0'.repeat(64) }, 400, /kid and payloadDigest/],
    ['verified over nothing', { verdict: 'verified', kid: 'k' }, 400, /kid and payloadDigest/],
    ['failed for no reason', { verdict: 'failed' }, 400, /needs a code/],
    [
      'verified with a code',
      { verdict: 'verified', kid: 'k', payloadDigest: '0'.repeat(64), code: 'signature-missing' },
      400,
      /leave it out/,
    ],
    ['a thumbprint that is none', { verdict: 'unchecked', thumbprint: 'x' }, 400, /thumbprint/],
  ])('%s is refused', async (_, verdict, status, message) => {
    const taskId = await tasks.create();
    await ok(tasks.claimTask(taskId));
    expect(await refused(report(taskId, 0, verdict), status)).toMatch(message);
  });

  it('of its own run only, and while it holds it', async () => {
    const taskId = await tasks.create();
    expect(await refused(report(taskId, 0, { verdict: 'unchecked' }), 409)).toMatch(/cannot be reported on: it is pending/);
    expect(await refused(report(taskId, 1, { verdict: 'unchecked' }), 404)).toMatch(/does not exist/);
    expect(await refused(report(slugid(), 0, { verdict: 'unchecked' }), 404)).toMatch(/does not exist/);
    const { credentials } = await ok(tasks.claimTask(taskId));
    const other = await tasks.create();
    await ok(tasks.claimTask(other));
    await refused(report(other, 0, { verdict: 'unchecked' }, test.root.as(credentials)), 403);
    await tasks.lapse(taskId);
    expect(await refused(report(taskId, 0, { verdict: 'unchecked' }), 409)).toMatch(/its lease lapsed/);
  });
});

it('(58) where the check itself fails, nothing is created, and it is no fault of the caller', async () => {
  for (const policy of ['warn', 'require'] as const) {
    const taskQueueId = await queue(policy);
    const { taskId, body, jws } = await creator.signed({ taskQueueId });
    const broken = {
      version: 1,
      get keys(): never {
        throw new Error('hunter2');
      },
    };
    const of = jest.spyOn(test.service.app.get(SignaturePolicies), 'of').mockReturnValue({ policy, keySet: broken as never });
    const { status, body: answer } = await tasks.put(taskId, { ...body, signature: jws });
    of.mockRestore();
    expect([status, answer.code]).toEqual([500, 'InternalServerError']);
    expect(answer.message).not.toContain('hunter2');
    await refused(test.root.get(`/queue/v1/task/${taskId}`), 404);
  }
});

it('(65) what was found is counted by task queue and key, by whom and how it ended', async () => {
  const seen = async (work: () => Promise<unknown>) => {
    const counts = test.service.app.get(SignatureCounts);
    const now = () => new Map([...counts.all()].map(([labels, count]) => [Object.values(labels).join(' '), count]));
    const before = now();
    await work();
    return [...now()].flatMap(([labels, count]) =>
      count === before.get(labels) ? [] : [`${labels} +${count - (before.get(labels) ?? 0)}`],
    );
  };
  const taskQueueId = await queue('warn');
  const of = (what: string) => [`${taskQueueId} ${what} +1`];
  let taskId = '';
  const create = async () => ({ taskId } = await created(taskQueueId));
  const report = (body: Fields) => ok(test.root.post(`/queue/v1/task/${taskId}/runs/0/signature`, body));
  const refuse = (code: string) =>
    ok(test.root.post(`/queue/v1/task/${taskId}/runs/0/exception`, { reason: 'signature-invalid', signature: { code, kid: 'creator' } }));
  expect(await seen(create)).toEqual(of('queue verified creator'));
  await claim(taskQueueId);
  expect(await seen(() => report({ verdict: 'verified', kid: 'creator', payloadDigest: '0'.repeat(64) }))).toEqual(
    of('worker verified creator'),
  );
  expect(await seen(() => refuse('signature-expired'))).toEqual(of('worker refused creator'));
  expect(await seen(() => tasks.create({ taskQueueId }))).toEqual(of('queue unsigned none'));
  taskId = (await claim(taskQueueId)).status.taskId;
  expect(await seen(() => report({ verdict: 'failed', code: 'signature-missing' }))).toEqual(of('worker unsigned none'));
  expect(await seen(() => created(taskQueueId, {}, stranger))).toEqual(of('queue failed other'));
  const { taskId: unborn, body } = await byKeyOf(stranger)(taskQueueId);
  expect(await seen(() => refused(tasks.put(unborn, { ...body, scopes: ['a:b'] }), 400))).toEqual(of('queue refused other'));
  const next = await queue('warn');
  ({ taskId } = await created(next));
  await claim(next);
  expect(await seen(() => refuse('signature-unknown-key'))).toEqual([`${next} worker refused creator +1`]);
});

it('the unmodified npm client works on with signed tasks: it knows nothing of what was added', async () => {
  const taskQueueId = await queue('require');
  const { taskId, body, jws } = await creator.signed({ taskQueueId });
  const queueOf = (credentials: object) => new taskcluster.Queue({ rootUrl: test.root.url, credentials });
  const client = queueOf(test.root.credentials as object);
  await client.createTask(taskId, { ...body, signature: jws });
  const { tasks: claims } = await client.claimWork(taskQueueId, { ...WORKER, tasks: 1 });
  expect(claims[0].task).toEqual(body);
  await queueOf(claims[0].credentials).reportException(taskId, 0, { reason: 'malformed-payload' });
  expect(await client.status(taskId)).toMatchObject({ status: { state: 'exception', runs: [{ reasonResolved: 'malformed-payload' }] } });
  await expect(client.createTask(slugid(), await client.task(taskId))).rejects.toMatchObject({ statusCode: 400, code: 'SignatureRefused' });
});

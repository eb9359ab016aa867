import taskcluster from 'taskcluster-client';
import { signBewit } from '../src/credentials/bewit.js';
import { authorizationHeader } from '../src/credentials/hawk.js';
import { type Api, type Credentials, definition, slugid } from './support/api.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
});
afterAll(() => test.close());

const WORKER = { workerGroup: 'group', workerId: 'worker' };
const QUEUE = 'test/credentials';
let queues = 0;

interface Claim {
  taskId: string;
  runId: number;
  takenUntil: string;
  fence: number;
  credentials: Required<Credentials>;
  certificate: { scopes: string[]; start: number; expiry: number; issuer: string };
  /** Calls with the credentials that were lent. */
  run: Api;
}

/** A task that is claimed, on a queue of its own. */
async function claimed(overrides: Record<string, unknown> = {}, worker = WORKER): Promise<Claim> {
  const taskQueueId = `${QUEUE}-${queues++}`;
  const taskId = slugid();
  const created = await test.root.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId, ...overrides }));
  expect(created.status).toBe(200);
  return claimNext(taskQueueId, worker);
}

async function claimNext(taskQueueId: string, worker = WORKER): Promise<Claim> {
  const { body } = await test.root.post(`/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`, { ...worker, tasks: 1 });
  return asClaim(body.tasks[0]);
}

// biome-ignore lint/suspicious/noExplicitAny: checked by the contract
function asClaim(claim: any): Claim {
  const { status, runId, takenUntil, fence, credentials } = claim;
  return {
    taskId: status.taskId,
    runId,
    takenUntil,
    fence,
    credentials,
    certificate: JSON.parse(credentials.certificate),
    run: test.root.as(credentials),
  };
}

const runPath = ({ taskId, runId }: Pick<Claim, 'taskId' | 'runId'>, verb: string) => `/queue/v1/task/${taskId}/runs/${runId}/${verb}`;

/** What authenticateHawk, and so every third party that asks us, says of these credentials now. */
async function identity(credentials: Credentials, authorizedScopes?: string[]) {
  const request = { method: 'GET', resource: '/some/thing', host: 'api.example.com', port: 443 };
  const authorization = authorizationHeader(credentials, request, {
    nowMs: Date.now(),
    nonce: 'nonce',
    ...(authorizedScopes ? { authorizedScopes } : {}),
  });
  const body = { method: 'get', resource: '/some/thing', host: 'api.example.com', port: 443, authorization };
  return (await test.root.as().post('/auth/v1/authenticate-hawk', body)).body;
}

async function bewitIdentity(credentials: Credentials) {
  const request = { resource: '/some/thing', host: 'api.example.com', port: 443 };
  const bewit = signBewit(credentials, request, { exp: Math.floor(Date.now() / 1000) + 600 });
  const body = { method: 'get', resource: `/some/thing?bewit=${bewit}`, host: 'api.example.com', port: 443 };
  return (await test.root.as().post('/auth/v1/authenticate-hawk', body)).body;
}

const move = (taskId: string, set: string) => test.database.pool.query(`update task set ${set} where task_id = $1`, [taskId]);
const sweep = async () => {
  const { SweepService } = await import('../src/service/queue/sweep.service.js');
  await test.service.app.get(SweepService).sweep();
};

describe('what is lent', () => {
  it('names the run and its worker, and ends a grace after the lease', async () => {
    const claim = await claimed({ scopes: ['a:b:*', 'c'] });
    const seconds = Date.parse(claim.takenUntil) / 1000;
    expect(claim.credentials.clientId).toBe(`task-client/${claim.taskId}/0/on/group/worker/until/${seconds}`);
    expect(claim.certificate.expiry).toBe(Date.parse(claim.takenUntil) + 900_000);
    expect(claim.certificate.start).toBeLessThanOrEqual(Date.now() - 290_000);
    expect(claim.certificate.start).toBeGreaterThan(Date.now() - 320_000);
    const own = [`queue:reclaim-task:${claim.taskId}/0`, `queue:resolve-task:${claim.taskId}/0`, `queue:create-artifact:${claim.taskId}/0`];
    expect(claim.certificate.scopes).toEqual([`assume:task-run:${claim.taskId}/0`, ...own, 'a:b:*', 'c']);
    expect(Date.parse(claim.takenUntil) - Date.now()).toBeGreaterThan(1_195_000);
    expect((await identity(claim.credentials)).scopes).toEqual(
      ['a:b:*', 'assume:anonymous', `assume:task-run:${claim.taskId}/0`, 'c', ...own].sort(),
    );
  });

  it.each([
    ['by name', ['assume:worker-id:group/worker', 'x']],
    ['by name, as a claimant', ['queue:worker-id:group/worker', 'x']],
    ['by a pattern over its group', ['assume:worker-id:group/*', 'x']],
    ['by a pattern over all', ['assume:worker-id:*', 'queue:worker-id:*', 'x']],
  ])('never lets a task be its own worker: %s', async (_, scopes) => {
    const claim = await claimed({ scopes });
    expect(claim.certificate.scopes.filter((scope) => scope.includes('worker-id'))).toEqual([]);
    const { scopes: held } = await identity(claim.credentials);
    expect(held.filter((scope: string) => scope.includes('worker-id'))).toEqual([]);
    expect(held).toContain('x');
    const next = await claim.run.post('/queue/v1/claim-work/test%2Fcredentials', { ...WORKER, tasks: 1 });
    expect(next.status).toBe(403);
  });

  it('never lets a task be its own worker by way of a role, nor have what its worker has by that identity', async () => {
    const roles = {
      'worker-id:*': ['secrets:get:worker/<..>', 'queue:claim-work:p/*'],
      disguise: ['assume:worker-id:group/worker', 'assume:worker-id:group/*', 'queue:worker-id:group/worker', 'y'],
    };
    for (const [roleId, scopes] of Object.entries(roles)) await test.role(roleId, ...scopes);
    const claim = await claimed({ scopes: ['assume:disguise'] });
    for (const authorizedScopes of [undefined, ['assume:disguise']]) {
      const { scopes } = await identity(claim.credentials, authorizedScopes);
      expect(scopes).toContain('y');
      expect(scopes.filter((scope: string) => /worker|claim-work/.test(scope))).toEqual([]);
    }
    await test.root.delete('/auth/v1/roles/worker-id%3A*');
  });

  it('works through a proxy that repeats task.scopes, also those that name the worker', async () => {
    const taskScopes = ['assume:worker-id:group/worker', 'x'];
    const claim = await claimed({ scopes: taskScopes });
    const { status, scopes } = await identity(claim.credentials, [...taskScopes, `queue:create-artifact:${claim.taskId}/0`]);
    expect(status).toBe('auth-success');
    expect(scopes).toEqual(expect.arrayContaining(['x', `assume:task-run:${claim.taskId}/0`]));
    expect(scopes.filter((scope: string) => scope.includes('worker-id'))).toEqual([]);
  });

  it.each([[['*']], [['queue:*']], [['queue:w*', 'queue:claim-work:*', 'queue:claim-task:*', 'queue:status:*']]])(
    'never lets a run with %j claim as its own worker',
    async (scopes) => {
      const claim = await claimed({ scopes });
      const taskQueueId = `${QUEUE}-${queues++}`;
      const taskId = slugid();
      expect((await test.root.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId }))).status).toBe(200);
      const work = `/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`;
      expect((await claim.run.post(work, { ...WORKER, tasks: 1 })).status).toBe(403);
      expect((await claim.run.post(runPath({ taskId, runId: 0 }, 'claim'), WORKER)).status).toBe(403);
      const other = await claim.run.post(work, { workerGroup: 'group', workerId: 'other', tasks: 1 });
      expect([other.status, other.body.tasks.length]).toEqual([200, 1]); // what the creator gave on purpose
    },
  );

  it('keeps the identity of another worker that the creator asked for', async () => {
    const claim = await claimed({ scopes: ['assume:worker-id:group/other', 'queue:worker-id:elsewhere/worker'] });
    expect(claim.certificate.scopes.slice(4)).toEqual(['assume:worker-id:group/other', 'queue:worker-id:elsewhere/worker']);
  });

  it('carries 2 000 scopes of 80 characters through a Hawk header of 4 096, and they mean the same', async () => {
    const scopes = Array.from({ length: 2_000 }, (_, index) => `project:leasehold:${String(index).padStart(5, '0')}:`.padEnd(80, 'x'));
    const claim = await claimed({ scopes });
    expect(claim.certificate.scopes).toEqual([`assume:task-run:${claim.taskId}/0`]);
    const { scopes: held, status } = await identity(claim.credentials);
    expect(status).toBe('auth-success');
    expect(scopes.filter((scope) => !held.includes(scope))).toEqual([]);
    expect(held).toContain(`queue:create-artifact:${claim.taskId}/0`);
    const queue = new taskcluster.Queue({ rootUrl: test.root.url, credentials: claim.credentials });
    const reclaim = await queue.reclaimTask(claim.taskId, 0);
    const again = new taskcluster.Queue({ rootUrl: test.root.url, credentials: reclaim.credentials });
    expect((await again.reportCompleted(claim.taskId, 0)).status.state).toBe('completed');
  });

  it('restricts itself to authorizedScopes, as taskcluster-proxy does, and no further', async () => {
    const claim = await claimed({ scopes: ['a', 'b:*'] });
    const upload = `queue:create-artifact:${claim.taskId}/0`;
    expect((await identity(claim.credentials, ['b:c', upload])).scopes).toEqual(['assume:anonymous', 'b:c', upload]);
    expect((await identity(claim.credentials, ['z'])).message).toMatch(/^Supplied credentials do not satisfy authorizedScopes/);
    const refused = await claim.run.post(runPath(claim, 'completed'), undefined, { authorizedScopes: ['a'] });
    expect(refused.status).toBe(403);
    const allowed = await claim.run.post(runPath(claim, 'completed'), undefined, {
      authorizedScopes: [`queue:resolve-task:${claim.taskId}/0`],
    });
    expect(allowed.status).toBe(200);
  });

  it('counts the claims of a task as its fence', async () => {
    const claim = await claimed();
    expect(claim.fence).toBe(1);
    await move(claim.taskId, "taken_until = now() - interval '1 second', due = now() - interval '1 second'");
    await sweep();
    const { rows } = await test.database.pool.query('select task_queue_id from task where task_id = $1', [claim.taskId]);
    const second = await claimNext(rows[0].task_queue_id);
    expect([second.runId, second.fence]).toEqual([1, 2]);
  });

  it('cannot issue further credentials', async () => {
    const claim = await claimed({ scopes: ['auth:create-client:*'] });
    const issued = taskcluster.createTemporaryCredentials({
      clientId: 'test/forged',
      start: new Date(),
      expiry: new Date(Date.now() + 60_000),
      scopes: [],
      credentials: { clientId: claim.credentials.clientId, accessToken: claim.credentials.accessToken },
    });
    expect(await identity(issued)).toMatchObject({ status: 'auth-failed' });
  });

  it('is the same to the process that lent it and to one that has to verify it', async () => {
    const { credentials, run, ...claim } = await claimed({ scopes: ['a:b'] });
    const { seed, ...rest } = JSON.parse(credentials.certificate);
    const respelled = { ...credentials, certificate: JSON.stringify({ ...rest, seed }) }; // the text is not the one that was lent
    expect(respelled.certificate).not.toBe(credentials.certificate);
    const meant = await identity(credentials);
    expect(meant).toMatchObject({ status: 'auth-success', clientId: credentials.clientId });
    expect(await identity(respelled)).toEqual(meant);
    expect(await identity(respelled, ['a:b'])).toEqual(await identity(credentials, ['a:b']));
    for (const known of [credentials, respelled]) {
      const forged = { ...known, accessToken: `x${known.accessToken.slice(1)}` };
      expect(await identity(forged)).toMatchObject({ status: 'auth-failed', message: 'Unauthorized: Bad mac' });
      expect((await test.root.as(forged).post(runPath(claim, 'reclaim'))).status).toBe(401);
      expect((await test.root.as(known).post(runPath(claim, 'reclaim'))).status).toBe(200);
    }
    expect((await run.post(runPath(claim, 'completed'))).status).toBe(200);
  });

  it('is believed only with the signature of the queue', async () => {
    const claim = await claimed();
    const forged = { ...claim.certificate, scopes: ['*'] };
    expect((await identity({ ...claim.credentials, certificate: JSON.stringify(forged) })).message).toMatch(
      /^ext.certificate.signature is not valid/,
    );
    const other = claim.credentials.clientId.replace('/0/on/', '/1/on/');
    expect((await identity({ ...claim.credentials, clientId: other })).message).toMatch(/^ext.certificate.signature is not valid/);
    const issuer = await identity({ clientId: 'static/leasehold/queue', accessToken: 'guessed-token-of-the-issuer' });
    expect(issuer.status).toBe('auth-failed');
  });
});

describe('what it is good for', () => {
  it('decides about its own run and no other', async () => {
    const [mine, other] = [await claimed(), await claimed()];
    for (const verb of ['reclaim', 'completed', 'failed']) {
      expect((await mine.run.post(runPath(other, verb))).status).toBe(403);
      expect((await mine.run.post(runPath({ ...mine, runId: 1 }, verb))).status).toBe(403);
    }
    expect((await mine.run.post(runPath(other, 'exception'), { reason: 'internal-error' })).status).toBe(403);
    expect((await mine.run.post(runPath(mine, 'reclaim'))).status).toBe(200);
    expect((await mine.run.post(runPath(mine, 'completed'))).status).toBe(200);
  });

  it('does what task.scopes allow, not more', async () => {
    const lenient = await claimed({ scopes: ['queue:get-task:*'] });
    const strict = await claimed();
    expect((await strict.run.get(`/queue/v1/task/${strict.taskId}`)).status).toBe(403);
    expect((await lenient.run.get(`/queue/v1/task/${strict.taskId}`)).status).toBe(200);
    expect((await lenient.run.put(`/queue/v1/task/${slugid()}`, definition())).status).toBe(403);
  });

  it('a reclaim lends a fresh set; the former works on while the run lives', async () => {
    const claim = await claimed({ scopes: ['queue:status:*'] });
    await move(claim.taskId, "taken_until = now() + interval '5 seconds'");
    const { body } = await claim.run.post(runPath(claim, 'reclaim'));
    expect(Object.keys(body).sort()).toEqual(['credentials', 'fence', 'runId', 'status', 'takenUntil', 'workerGroup', 'workerId']);
    const fresh = asClaim(body);
    expect(fresh.credentials.accessToken).not.toBe(claim.credentials.accessToken);
    for (const { run } of [claim, fresh]) expect((await run.get(`/queue/v1/task/${claim.taskId}/status`)).status).toBe(200);
  });
});

describe('they die with the run', () => {
  const SCOPES = ['queue:status:*'];
  const ends: [string, (claim: Claim) => Promise<unknown>, RegExp][] = [
    ['completed', (claim) => claim.run.post(runPath(claim, 'completed')), /is completed/],
    ['failed', (claim) => claim.run.post(runPath(claim, 'failed')), /is failed/],
    [
      'an hour after an exception',
      (claim) => over(claim, 'malformed-payload', "resolved = now() - interval '1 hour'"),
      /is exception \(malformed-payload\)/,
    ],
    ['cancelled long ago', (claim) => cancelled(claim, "resolved = now() - interval '26 minutes'"), /is exception \(canceled\)/],
    [
      'lapsed, before any sweep',
      (claim) => move(claim.taskId, "taken_until = now() - interval '1 ms'"),
      /lease has lapsed \(claim-expired\)/,
    ],
    ['gone', (claim) => test.database.pool.query('delete from task where task_id = $1', [claim.taskId]), /does not exist any more/],
  ];

  async function over(claim: Claim, reason: string, then: string): Promise<void> {
    expect((await claim.run.post(runPath(claim, 'exception'), { reason })).status).toBe(200);
    await move(claim.taskId, then);
  }

  async function cancelled(claim: Claim, then: string): Promise<void> {
    expect((await test.root.post(`/queue/v1/task/${claim.taskId}/cancel`)).status).toBe(200);
    await move(claim.taskId, then);
  }

  it.each(ends)('%s: refused everywhere, and told why', async (_, end, why) => {
    const claim = await claimed({ scopes: SCOPES });
    const path = `/queue/v1/task/${claim.taskId}/status`;
    expect((await claim.run.get(path)).status).toBe(200);
    const { credentials } = (await claim.run.post(runPath(claim, 'reclaim'))).body;
    await end(claim);
    for (const run of [claim.run, test.root.as(credentials)]) {
      const refused = await run.get(path);
      expect([refused.status, refused.body.code]).toEqual([401, 'AuthenticationFailed']);
      expect(refused.body.message).toMatch(why);
      expect((await run.get(path, { authorizedScopes: SCOPES })).status).toBe(401);
    }
    expect(await identity(credentials)).toEqual({ status: 'auth-failed', message: expect.stringMatching(why) });
  });

  it('the retry of a lapsed run is another run: the former credentials do not touch it', async () => {
    const claim = await claimed({ scopes: SCOPES });
    await move(claim.taskId, "taken_until = now() - interval '1 second', due = now() - interval '1 second'");
    await sweep();
    const reclaim = await claim.run.post(runPath(claim, 'reclaim'));
    expect([reclaim.status, reclaim.body.message]).toEqual([
      409,
      expect.stringMatching(/exception \(claim-expired\), and the task has gone on to run 1/),
    ]);
    // within 25 minutes it may still upload what explains its own end, and nothing else
    expect((await claim.run.post(runPath({ ...claim, runId: 1 }, 'completed'))).status).toBe(403);
    const status = await test.root.get(`/queue/v1/task/${claim.taskId}/status`);
    expect(status.body.status.runs.map((run: { state: string }) => run.state)).toEqual(['exception', 'pending']);
  });

  it.each([
    ['cancelled', async (claim: Claim) => test.root.post(`/queue/v1/task/${claim.taskId}/cancel`), /exception \(canceled\)/],
    ['lapsed', async (claim: Claim) => move(claim.taskId, "taken_until = now() - interval '1 ms'"), /lease lapsed at .* \(claim-expired\)/],
    ['past its deadline', async (claim: Claim) => move(claim.taskId, "deadline = now() - interval '1 s'"), /deadline .* has passed/],
  ])('a worker whose run was %s is refused a reclaim with 409 and the reason', async (_, lose, why) => {
    const claim = await claimed();
    await lose(claim);
    const refused = await claim.run.post(runPath(claim, 'reclaim'));
    expect([refused.status, refused.body.code]).toEqual([409, 'RequestConflict']);
    expect(refused.body.message).toMatch(why);
  });

  it('a lapsed worker reports in vain', async () => {
    const claim = await claimed();
    await move(claim.taskId, "taken_until = now() - interval '1 ms'");
    for (const verb of ['completed', 'failed']) expect((await claim.run.post(runPath(claim, verb))).status).toBe(409);
    expect((await claim.run.post(runPath(claim, 'exception'), { reason: 'worker-shutdown' })).status).toBe(409);
    expect((await test.root.post(runPath(claim, 'completed'))).status).toBe(409);
    const { body } = await test.root.get(`/queue/v1/task/${claim.taskId}/status`);
    expect(body.status.state).toBe('running');
  });

  it('a report whose answer was lost can be repeated; another outcome is a conflict', async () => {
    const claim = await claimed();
    for (let again = 0; again < 3; again++) expect((await claim.run.post(runPath(claim, 'completed'))).status).toBe(200);
    expect((await claim.run.post(runPath(claim, 'failed'))).status).toBe(409);
  });

  it('within 25 minutes of an exception only artifacts may still be made', async () => {
    const claim = await claimed({ scopes: [...SCOPES, 'other'] });
    await claim.run.post(runPath(claim, 'exception'), { reason: 'internal-error' });
    const upload = `queue:create-artifact:${claim.taskId}/0`;
    expect((await identity(claim.credentials)).scopes).toEqual(['assume:anonymous', upload]);
    expect((await identity(claim.credentials, [upload])).scopes).toEqual(['assume:anonymous', upload]);
    expect((await identity(claim.credentials, ['other'])).scopes).toEqual(['assume:anonymous']);
    expect((await claim.run.get(`/queue/v1/task/${claim.taskId}/status`)).status).toBe(403);
    await move(claim.taskId, "resolved = now() - interval '25 minutes'");
    expect((await identity(claim.credentials)).status).toBe('auth-failed');
  });

  it('the same after a retry: the ended run may explain itself', async () => {
    const claim = await claimed({ scopes: SCOPES });
    await claim.run.post(runPath(claim, 'exception'), { reason: 'worker-shutdown' });
    expect((await identity(claim.credentials)).scopes).toEqual(['assume:anonymous', `queue:create-artifact:${claim.taskId}/0`]);
  });

  it('a signed URL works on after the run has ended, until its certificate does', async () => {
    const claim = await claimed({ scopes: SCOPES });
    const { hostname, port } = new URL(test.root.url);
    const resource = `/api/queue/v1/task/${claim.taskId}/status`;
    const bewit = signBewit(
      claim.credentials,
      { resource, host: hostname, port: Number(port) },
      { exp: Math.floor(Date.now() / 1000) + 600 },
    );
    await claim.run.post(runPath(claim, 'completed'));
    expect((await test.root.as().get(`${resource}?bewit=${bewit}`)).status).toBe(200);
    expect((await test.root.as().get(`${resource}?bewit=${bewit.slice(0, -8)}AAAAAAAA`)).status).toBe(401);
    expect((await bewitIdentity(claim.credentials)).scopes).toContain('queue:status:*');
    expect((await identity(claim.credentials)).status).toBe('auth-failed');
    const late = Date.parse(claim.takenUntil) + 900_000 + 6 * 60_000;
    const clock = Date.now;
    try {
      Date.now = () => late; // the certificate's end is judged by the clock of the process
      expect((await bewitIdentity(claim.credentials)).message).toBe('ext.certificate.expiry < now');
    } finally {
      Date.now = clock;
    }
  });
});

import { jest } from '@jest/globals';
import { ClaimDesk } from '../src/service/queue/claims/claim-desk.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { type Api, slugid } from './support/api.js';
import { ok, refused, Tasks, untilDone, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

const OTHER = { workerGroup: 'group', workerId: 'other' };
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const PENDING = { state: 'pending', reasonCreated: 'scheduled', scheduled: TIME };
const RUNNING = { ...PENDING, state: 'running', ...WORKER, takenUntil: TIME, started: TIME };
const ended = (state: string, reasonResolved = state, of: object = RUNNING) => ({ ...of, state, reasonResolved, resolved: TIME });
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 1, claimTimeout: 1200, deadlineDelay: 60 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const sweep = () => untilDone(() => test.service.app.get(SweepService).sweep());
const queue = () => `test/q${slugid().toLowerCase().replace(/[-_]/g, 'x')}`;

/** The task's runs are exactly these, by run id, with no field more. */
async function expectRuns(taskId: string, retriesLeft: number, ...runs: object[]): Promise<void> {
  const status = await tasks.status(taskId);
  expect(status.runs).toEqual(runs.map((run, runId) => ({ runId, ...run })));
  expect([status.state, status.retriesLeft]).toEqual([status.runs.at(-1)?.state ?? 'unscheduled', retriesLeft]);
}

async function unscheduled(overrides: Record<string, unknown> = {}): Promise<string> {
  const taskId = slugid();
  return tasks.create({ dependencies: [taskId], ...overrides }, taskId);
}

async function running(overrides: Record<string, unknown> = {}): Promise<string> {
  const taskId = await tasks.create(overrides);
  await ok(tasks.claimTask(taskId));
  return taskId;
}

describe('a task is', () => {
  it('unscheduled, pending, running, completed', async () => {
    const taskId = await unscheduled();
    await expectRuns(taskId, 5);
    expect((await ok(tasks.steer('schedule', taskId))).status).toEqual(await tasks.status(taskId));
    await expectRuns(taskId, 5, PENDING);
    const claim = await ok(tasks.claimTask(taskId));
    await expectRuns(taskId, 5, RUNNING);
    expect(claim.status).toEqual(await tasks.status(taskId));
    expect((await ok(tasks.report('completed', taskId))).status).toEqual(await tasks.status(taskId));
    await expectRuns(taskId, 5, ended('completed'));
    const [{ scheduled, started, resolved, takenUntil }] = (await tasks.status(taskId)).runs;
    expect([scheduled, started, resolved, takenUntil].sort()).toEqual([scheduled, started, resolved, takenUntil]);
    expect(takenUntil).toBe(claim.takenUntil);
  });

  it('failed, also in the old way', async () => {
    const [one, other] = [await running(), await running()];
    await ok(tasks.report('failed', one));
    await expectRuns(one, 5, ended('failed'));
    await ok(test.root.post(`/queue/v1/task/${other}/runs/0/completed`, { success: false }));
    await expectRuns(other, 5, ended('failed'));
  });

  it.each(['malformed-payload', 'resource-unavailable', 'internal-error'])('exception for %s, without a retry', async (reason) => {
    const taskId = await running();
    expect((await ok(tasks.report(reason, taskId))).status.state).toBe('exception');
    await expectRuns(taskId, 5, ended('exception', reason));
  });

  it.each([
    ['worker-shutdown', 'retry'],
    ['intermittent-task', 'task-retry'],
  ])('tried again after %s while a retry is left', async (reason, reasonCreated) => {
    const taskId = await running({ retries: 1 });
    const { status } = await ok(tasks.report(reason, taskId));
    expect(status).toEqual(await tasks.status(taskId));
    await expectRuns(taskId, 0, ended('exception', reason), { ...PENDING, reasonCreated });
    const claim = await ok(tasks.claimTask(taskId, 1));
    expect([claim.runId, claim.fence, claim.status]).toEqual([1, 2, await tasks.status(taskId)]);
    expect((await ok(tasks.reclaim(taskId, 1))).status).toEqual(await tasks.status(taskId));
    await ok(tasks.report(reason, taskId, 1));
    await expectRuns(taskId, 0, ended('exception', reason), ended('exception', reason, { ...RUNNING, reasonCreated }));
  });

  it('tried again after its lease lapsed, and an exception when no retry is left', async () => {
    const taskId = await running({ retries: 1 });
    await tasks.lapse(taskId);
    await expectRuns(taskId, 1, RUNNING);
    await sweep();
    await expectRuns(taskId, 0, ended('exception', 'claim-expired'), { ...PENDING, reasonCreated: 'retry' });
    await ok(tasks.claimTask(taskId, 1));
    await tasks.lapse(taskId);
    await sweep();
    const lapsed = ended('exception', 'claim-expired');
    await expectRuns(taskId, 0, lapsed, { ...lapsed, reasonCreated: 'retry' });
    await sweep();
    expect((await tasks.status(taskId)).runs).toHaveLength(2);
  });

  it('canceled from every open state, and as it was when it has ended', async () => {
    const [waiting, pending, held, done] = [await unscheduled(), await tasks.create(), await running(), await running()];
    await ok(tasks.report('completed', done));
    for (const taskId of [waiting, pending, held, done]) {
      expect((await ok(tasks.steer('cancel', taskId))).status).toEqual(await tasks.status(taskId));
      const once = await tasks.status(taskId);
      await ok(tasks.steer('cancel', taskId));
      expect(await tasks.status(taskId)).toEqual(once);
    }
    await expectRuns(waiting, 5, ended('exception', 'canceled', { ...PENDING, reasonCreated: 'exception' }));
    await expectRuns(pending, 5, ended('exception', 'canceled', PENDING));
    await expectRuns(held, 5, ended('exception', 'canceled'));
    await expectRuns(done, 5, ended('completed'));
  });

  it('deadline-exceeded from every open state, once the deadline and its delay are over', async () => {
    const [waiting, pending, held, done] = [await unscheduled(), await tasks.create(), await running(), await running()];
    await ok(tasks.report('completed', done));
    for (const taskId of [waiting, pending, held]) {
      await tasks.alter(taskId, `deadline = now() - interval '59 seconds', due = now() - interval '1 second'`);
    }
    await sweep();
    expect(await Promise.all([waiting, pending, held].map((taskId) => tasks.state(taskId)))).toEqual(['unscheduled', 'pending', 'running']);
    for (const taskId of [waiting, pending, held, done]) await tasks.overdue(taskId);
    await sweep();
    await expectRuns(waiting, 5, ended('exception', 'deadline-exceeded', { ...PENDING, reasonCreated: 'exception' }));
    await expectRuns(pending, 5, ended('exception', 'deadline-exceeded', PENDING));
    await expectRuns(held, 5, ended('exception', 'deadline-exceeded'));
    await expectRuns(done, 5, ended('completed'));
    const [run] = (await tasks.status(waiting)).runs;
    expect(run.scheduled).toBe(run.resolved);
  });

  it('run again after every end, and not while it is open', async () => {
    const taskId = await tasks.create({ retries: 2 });
    for (const open of [
      () => ok(tasks.steer('rerun', taskId)),
      () => ok(tasks.claimTask(taskId)),
      () => ok(tasks.steer('rerun', taskId)),
    ]) {
      await open();
      expect((await tasks.status(taskId)).runs).toHaveLength(1);
    }
    await ok(tasks.report('worker-shutdown', taskId));
    await tasks.run('failed', taskId, 1);
    expect((await tasks.status(taskId)).retriesLeft).toBe(1);
    expect((await ok(tasks.steer('rerun', taskId))).status).toEqual(await tasks.status(taskId));
    const past = [ended('exception', 'worker-shutdown'), { ...ended('failed'), reasonCreated: 'retry' }];
    await expectRuns(taskId, 2, ...past, { ...PENDING, reasonCreated: 'rerun' });
    await ok(tasks.steer('cancel', taskId));
    await ok(tasks.steer('rerun', taskId));
    const canceled = ended('exception', 'canceled', { ...PENDING, reasonCreated: 'rerun' });
    await expectRuns(taskId, 2, ...past, canceled, { ...PENDING, reasonCreated: 'rerun' });
  });

  it('run for the first time by a rerun of an unscheduled one', async () => {
    const taskId = await unscheduled();
    await ok(tasks.steer('rerun', taskId));
    await expectRuns(taskId, 5, { ...PENDING, reasonCreated: 'rerun' });
  });

  it('scheduled once, and not at all when it has runs', async () => {
    const [taskId, done] = [await unscheduled(), await tasks.create()];
    await ok(tasks.steer('schedule', taskId));
    await ok(tasks.steer('schedule', taskId));
    await expectRuns(taskId, 5, PENDING);
    await tasks.run('failed', done);
    expect((await ok(tasks.steer('schedule', done))).status.state).toBe('failed');
    await expectRuns(done, 5, ended('failed'));
  });

  it('run fifty times at most, however it comes to its runs', async () => {
    const taskId = await tasks.create({ retries: 49 });
    for (let runId = 0; runId < 50; runId++) {
      const { runs, retriesLeft } = await tasks.status(taskId);
      expect(runs).toHaveLength(runId + 1);
      expect(retriesLeft).toBeLessThanOrEqual(49 - runId);
      if (runId === 0 || runId % 3) await tasks.run('intermittent-task', taskId, runId);
      else {
        await tasks.run('failed', taskId, runId);
        expect((await ok(tasks.steer('rerun', taskId))).status.retriesLeft).toBe(Math.min(49, 50 - (runId + 2)));
      }
    }
    expect(await tasks.status(taskId)).toMatchObject({ state: 'exception', retriesLeft: 0 });
    expect((await tasks.status(taskId)).runs).toHaveLength(50);
    expect(await refused(tasks.steer('rerun', taskId), 409)).toMatch(/50 runs/);
    await ok(tasks.steer('cancel', taskId));
    expect((await tasks.status(taskId)).runs.map((run: { runId: number }) => run.runId)).toEqual(times(50, (n) => n));
  });

  it('told with all its runs, though it was retried while the cancellation waited', async () => {
    const taskId = await running();
    const sweeper = await test.database.pool.connect();
    await sweeper.query('begin');
    await sweeper.query(
      `insert into past_run (task_id, run_id, state, reason_created, scheduled, started, worker_group, worker_id, taken_until, resolved, reason_resolved)
       select task_id, run_id, 'exception', reason_created, scheduled, started, worker_group, worker_id, taken_until, now(), 'claim-expired'
         from task where task_id = $1`,
      [taskId],
    );
    await sweeper.query(
      `update task set state = 'pending', run_id = 1, reason_created = 'retry', scheduled = now(), retries_left = 4, taken_until = null,
              started = null, worker_group = null, worker_id = null where task_id = $1`,
      [taskId],
    );
    const canceling = ok(tasks.steer('cancel', taskId));
    await waitingForLocks(1);
    await sweeper.query('commit');
    sweeper.release();
    expect((await canceling).status).toEqual(await tasks.status(taskId));
    const second = ended('exception', 'canceled', { ...PENDING, reasonCreated: 'retry' });
    await expectRuns(taskId, 4, ended('exception', 'claim-expired'), second);
  });
});

describe('claimTask', () => {
  it('answers the definition, the lease, the fence and credentials', async () => {
    const taskId = await tasks.create({ scopes: ['a:b'] });
    const before = Date.now();
    const claim = await ok(tasks.claimTask(taskId));
    expect(Object.keys(claim).sort()).toEqual(['credentials', 'fence', 'runId', 'status', 'takenUntil', 'task', 'workerGroup', 'workerId']);
    expect(claim).toMatchObject({ runId: 0, fence: 1, ...WORKER, task: { scopes: ['a:b'] }, status: { state: 'running' } });
    const lease = Date.parse(claim.takenUntil) - before;
    expect(lease).toBeGreaterThan(1_199_000);
    expect(lease).toBeLessThan(1_215_000);
    expect(claim.credentials).toEqual({
      clientId: expect.stringContaining(taskId),
      accessToken: expect.any(String),
      certificate: expect.any(String),
    });
  });

  it('answers the same lease again to the worker that holds it, and refuses others', async () => {
    const taskId = await tasks.create();
    const first = await ok(tasks.claimTask(taskId));
    const again = await ok(tasks.claimTask(taskId));
    expect([again.takenUntil, again.fence, again.status]).toEqual([first.takenUntil, 1, first.status]);
    expect(again.credentials.accessToken).not.toBe(first.credentials.accessToken);
    for (const worker of [OTHER, { workerGroup: 'other', workerId: 'worker' }]) {
      expect(await refused(tasks.claimTask(taskId, 0, worker), 409)).toContain('claimed by worker group/worker');
    }
  });

  it('gives ten calls of one worker at once the same lease, and one of ten workers the run', async () => {
    for (let round = 0; round < 10; round++) {
      const [mine, contested] = [await tasks.create(), await tasks.create()];
      const claims = await Promise.all(times(10, () => ok(tasks.claimTask(mine))));
      expect(new Set(claims.map(({ takenUntil, fence }) => `${takenUntil} ${fence}`)).size).toBe(1);
      expect(claims[0].fence).toBe(1);
      const answers = await Promise.all(times(10, (n) => tasks.claimTask(contested, 0, { workerGroup: 'g', workerId: `w${n}` })));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...times(9, () => 409)]);
    }
  });

  it('gives the lease also to the call that waited for the one that won it', async () => {
    const taskId = await tasks.create();
    const lock = await test.database.pool.connect();
    await lock.query('begin');
    await lock.query('select from task where task_id = $1 for update', [taskId]);
    const claims = Promise.all(times(2, () => ok(tasks.claimTask(taskId))));
    await waitingForLocks(2);
    await lock.query('commit');
    lock.release();
    const [one, other] = await claims;
    expect([other.takenUntil, other.fence]).toEqual([one.takenUntil, 1]);
  });

  it('refuses what cannot be claimed, with the reason', async () => {
    const waiting = await unscheduled();
    await refused(tasks.claimTask(waiting), 404);
    const taskId = await tasks.create({ retries: 1 });
    await refused(tasks.claimTask(slugid()), 404);
    await refused(tasks.claimTask(taskId, 1), 404);
    await refused(tasks.claimTask(taskId, 1000), 404);
    await tasks.run('worker-shutdown', taskId);
    expect(await refused(tasks.claimTask(taskId, 0), 409)).toMatch(/worker-shutdown.*run 1/);
    await tasks.run('failed', taskId, 1);
    expect(await refused(tasks.claimTask(taskId, 1), 409)).toContain('failed');
    const late = await tasks.create();
    await tasks.pastDeadline(late);
    expect(await refused(tasks.claimTask(late), 409)).toContain('deadline');
    const lapsed = await running();
    await tasks.lapse(lapsed);
    expect(await refused(tasks.claimTask(lapsed), 409)).toContain('lapsed');
    expect(await refused(tasks.claimTask(lapsed, 0, OTHER), 409)).toContain('lapsed');
  });

  it('refuses a run id or a worker that is none', async () => {
    const taskId = await tasks.create();
    for (const runId of ['x', '-1', '1.0', '1e3', '%00']) {
      expect(await refused(test.root.post(`/queue/v1/task/${taskId}/runs/${runId}/claim`, WORKER), 400)).toContain('runId');
    }
    await refused(test.root.post(`/queue/v1/task/${taskId}/runs/99999999999999999999/claim`, WORKER), 404);
    for (const [field, value] of [
      ['workerGroup', ''],
      ['workerGroup', 'a b'],
      ['workerId', 'w'.repeat(39)],
      ['workerId', null],
      ['workerId', undefined],
      ['tasks', 1],
    ] as const) {
      expect(await refused(tasks.claimTask(taskId, 0, { ...WORKER, [field]: value }), 400)).toContain(field);
    }
    expect(await tasks.state(taskId)).toBe('pending');
  });
});

describe('reclaimTask', () => {
  it('extends the lease, again and again, and lends fresh credentials', async () => {
    const taskId = await tasks.create();
    const claim = await ok(tasks.claimTask(taskId));
    let last = claim;
    for (let n = 0; n < 3; n++) {
      const reclaim = await ok(tasks.reclaim(taskId));
      expect(Object.keys(reclaim).sort()).toEqual(['credentials', 'fence', 'runId', 'status', 'takenUntil', 'workerGroup', 'workerId']);
      expect(Date.parse(reclaim.takenUntil)).toBeGreaterThanOrEqual(Date.parse(last.takenUntil));
      expect([reclaim.fence, reclaim.runId]).toEqual([1, 0]);
      expect(reclaim.credentials.certificate).not.toBe(last.credentials.certificate);
      expect(reclaim.status.runs[0].takenUntil).toBe(reclaim.takenUntil);
      last = reclaim;
    }
    await tasks.alter(taskId, `taken_until = now() + interval '1 second'`);
    expect(Date.parse((await ok(tasks.reclaim(taskId))).takenUntil)).toBeGreaterThan(Date.now() + 1_100_000);
    await Promise.all(times(10, () => ok(tasks.reclaim(taskId))));
  });

  it('never moves takenUntil back', async () => {
    const taskId = await running();
    const far = new Date(Date.now() + 100_000_000).toISOString();
    await tasks.alter(taskId, `taken_until = '${far}'`);
    expect((await ok(tasks.reclaim(taskId))).takenUntil).toBe(far);
    expect((await tasks.status(taskId)).runs[0].takenUntil).toBe(far);
  });

  it('refuses a worker that lost its lease, with the reason', async () => {
    await refused(tasks.reclaim(slugid()), 404);
    const pending = await tasks.create();
    expect(await refused(tasks.reclaim(pending), 409)).toContain('pending');
    await refused(tasks.reclaim(pending, 1), 404);
    await refused(tasks.reclaim(await unscheduled()), 404);

    const lapsed = await running();
    await tasks.lapse(lapsed);
    expect(await refused(tasks.reclaim(lapsed), 409)).toContain('claim-expired');
    await sweep();
    expect(await refused(tasks.reclaim(lapsed), 409)).toMatch(/claim-expired.*run 1/);
    await ok(tasks.claimTask(lapsed, 1, OTHER));
    expect(await refused(tasks.reclaim(lapsed, 0), 409)).toMatch(/claim-expired.*run 1/);

    const canceled = await running();
    await ok(tasks.steer('cancel', canceled));
    expect(await refused(tasks.reclaim(canceled), 409)).toContain('canceled');

    const done = await running();
    await ok(tasks.report('completed', done));
    expect(await refused(tasks.reclaim(done), 409)).toContain('completed');

    const late = await running();
    await tasks.pastDeadline(late);
    expect(await refused(tasks.reclaim(late), 409)).toContain('deadline');
    await tasks.overdue(late);
    await sweep();
    expect(await refused(tasks.reclaim(late), 409)).toContain('deadline-exceeded');
  });
});

describe('reports', () => {
  const outcomes = [
    'completed',
    'failed',
    'malformed-payload',
    'resource-unavailable',
    'internal-error',
    'worker-shutdown',
    'intermittent-task',
  ];

  it.each(outcomes)('of %s may be repeated, and no other made then', async (outcome) => {
    for (const retries of [0, 1]) {
      const taskId = await running({ retries });
      await ok(tasks.report(outcome, taskId));
      const after = await tasks.status(taskId);
      for (const other of outcomes) {
        if (other === outcome) expect((await ok(tasks.report(other, taskId))).status).toEqual(after);
        else expect(await refused(tasks.report(other, taskId), 409)).toContain(outcome);
      }
      expect(await tasks.status(taskId)).toEqual(after);
    }
  });

  it('at once, one alike for each outcome, leave one winner', async () => {
    for (let round = 0; round < 10; round++) {
      const taskId = await running();
      const answers = await Promise.all(outcomes.map((outcome) => tasks.report(outcome, taskId)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...times(6, () => 409)]);
      const winner = outcomes[answers.findIndex(({ status }) => status === 200)];
      expect((await tasks.status(taskId)).runs[0].reasonResolved).toBe(winner);
    }
  });

  it('on past runs are repeats or conflicts', async () => {
    const taskId = await running();
    await ok(tasks.report('worker-shutdown', taskId));
    await ok(tasks.claimTask(taskId, 1, OTHER));
    const after = await tasks.status(taskId);
    await ok(tasks.report('worker-shutdown', taskId, 0));
    expect(await refused(tasks.report('completed', taskId, 0), 409)).toMatch(/worker-shutdown.*run 1/);
    expect(await refused(tasks.report('intermittent-task', taskId, 0), 409)).toMatch(/worker-shutdown.*run 1/);
    expect(await tasks.status(taskId)).toEqual(after);
    await ok(tasks.report('completed', taskId, 1));
  });

  it('are refused for runs that are not held, with the reason', async () => {
    for (const outcome of ['completed', 'failed', 'internal-error', 'worker-shutdown']) {
      await refused(tasks.report(outcome, slugid()), 404);
      await refused(tasks.report(outcome, await unscheduled()), 404);
      const pending = await tasks.create();
      expect(await refused(tasks.report(outcome, pending), 409)).toContain('pending');
      await refused(tasks.report(outcome, pending, 1), 404);
      const lapsed = await running();
      await tasks.lapse(lapsed);
      expect(await refused(tasks.report(outcome, lapsed), 409)).toContain('claim-expired');
      await sweep();
      expect(await refused(tasks.report(outcome, lapsed), 409)).toMatch(/claim-expired.*run 1/);
      const canceled = await running();
      await ok(tasks.steer('cancel', canceled));
      expect(await refused(tasks.report(outcome, canceled), 409)).toContain('canceled');
    }
  });

  it.each(['completed', 'failed', 'internal-error', 'worker-shutdown'])(
    'of %s count past the deadline while the lease lives',
    async (outcome) => {
      const taskId = await running({ retries: 0 });
      await tasks.pastDeadline(taskId);
      await ok(tasks.report(outcome, taskId));
      expect((await tasks.status(taskId)).runs[0].reasonResolved).toBe(outcome);
      const lapsed = await running();
      await tasks.lapse(lapsed);
      await tasks.pastDeadline(lapsed);
      expect(await refused(tasks.report(outcome, lapsed), 409)).toContain('lapsed');
    },
  );

  it('take no other reasons', async () => {
    const taskId = await running();
    for (const reason of ['canceled', 'claim-expired', 'deadline-exceeded', 'superseded', 'completed', '', null, 1, undefined]) {
      expect(await refused(test.root.post(`/queue/v1/task/${taskId}/runs/0/exception`, { reason }), 400)).toContain('reason');
    }
    await refused(test.root.post(`/queue/v1/task/${taskId}/runs/0/exception`), 400);
    expect(await tasks.state(taskId)).toBe('running');
  });
});

describe('past the deadline', () => {
  it.each(['schedule', 'cancel', 'rerun'] as const)('%s is refused in every state', async (verb) => {
    const done = await tasks.create();
    await tasks.run('failed', done);
    for (const taskId of [await unscheduled(), await tasks.create(), await running(), done]) {
      await tasks.pastDeadline(taskId);
      const before = await tasks.status(taskId);
      expect(await refused(tasks.steer(verb, taskId), 409)).toContain('deadline');
      expect(await tasks.status(taskId)).toEqual(before);
    }
  });

  it('nothing is leased, and nothing is counted as pending', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ taskQueueId });
    await tasks.pastDeadline(taskId);
    expect((await ok(tasks.claimWork(taskQueueId))).tasks).toEqual([]);
    expect(await ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/counts`))).toMatchObject({ pendingTasks: 0 });
  });

  it('a lapsed run waits for the deadline, and is not tried again', async () => {
    const taskId = await running();
    await tasks.alter(
      taskId,
      `taken_until = now() - interval '5 seconds', deadline = now() - interval '1 second', due = now() - interval '5 seconds'`,
    );
    await sweep();
    await expectRuns(taskId, 5, RUNNING);
    const { due, deadline } = await row(taskId);
    expect(due.getTime()).toBe(deadline.getTime() + 60_000);
    await tasks.overdue(taskId);
    await sweep();
    await expectRuns(taskId, 5, ended('exception', 'deadline-exceeded'));
  });
});

describe('the clock of the process', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each([-3_600_000, 3_600_000])('may be off by %d ms: leases and deadlines go by the database', async (shift) => {
    const [late, lapsed, held, waiting] = [await running(), await running(), await running(), await unscheduled()];
    await tasks.pastDeadline(late);
    await tasks.lapse(lapsed);
    const lateAndWaiting = await unscheduled();
    await tasks.pastDeadline(lateAndWaiting);
    const real = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => real() + shift);
    for (const verb of ['schedule', 'cancel', 'rerun'] as const) {
      for (const taskId of [late, lateAndWaiting]) expect(await refused(tasks.steer(verb, taskId), 409)).toContain('deadline');
    }
    expect(await refused(tasks.reclaim(late), 409)).toContain('deadline');
    expect(await refused(tasks.reclaim(lapsed), 409)).toContain('lapsed');
    expect(await refused(tasks.report('completed', lapsed), 409)).toContain('lapsed');
    expect(await refused(tasks.claimTask(held, 0, OTHER), 409)).toContain('claimed by worker');
    await ok(tasks.reclaim(held));
    await ok(tasks.steer('schedule', held));
    await ok(tasks.steer('rerun', held));
    await sweep();
    await expectRuns(held, 5, RUNNING);
    await ok(tasks.report('completed', held));
    await ok(tasks.steer('cancel', held));
    await ok(tasks.steer('schedule', waiting));
  });
});

describe('sweeps', () => {
  it('leave alone what was reclaimed, and look again when that lapses', async () => {
    const taskId = await running();
    await tasks.alter(taskId, `due = now() - interval '1 second'`);
    const { takenUntil } = await ok(tasks.reclaim(taskId));
    await sweep();
    await expectRuns(taskId, 5, RUNNING);
    expect((await row(taskId)).due.toISOString()).toBe(takenUntil);
    await tasks.lapse(taskId);
    await sweep();
    expect((await tasks.status(taskId)).runs).toHaveLength(2);
  });

  it('end an overdue run even while its lease lives', async () => {
    const taskId = await running();
    await tasks.overdue(taskId);
    await sweep();
    await expectRuns(taskId, 5, ended('exception', 'deadline-exceeded'));
  });

  it('look at a lease that is longer than the deadline when the deadline and its delay are over', async () => {
    const taskId = await tasks.create({ deadline: new Date(Date.now() + 60_000).toISOString() });
    const { takenUntil } = await ok(tasks.claimTask(taskId));
    const { due, deadline } = await row(taskId);
    expect(due.getTime()).toBe(deadline.getTime() + 60_000);
    expect(Date.parse(takenUntil)).toBeGreaterThan(due.getTime());
    await tasks.alter(taskId, `due = now() - interval '1 second'`);
    await sweep();
    expect((await row(taskId)).due).toEqual(due);
  });

  it('on two replicas at once do each thing once', async () => {
    const replica = await test.replica();
    try {
      const held = await Promise.all(times(120, () => running({ retries: 1 })));
      await Promise.all(held.map((taskId, n) => (n % 3 ? tasks.lapse(taskId) : tasks.overdue(taskId))));
      const other = () => replica.service.app.get(SweepService).sweep();
      await Promise.all([sweep(), other(), sweep(), other()]);
      await sweep();
      for (const [n, taskId] of held.entries()) {
        const { runs, retriesLeft } = await tasks.status(taskId);
        expect([runs.length, retriesLeft]).toEqual(n % 3 ? [2, 0] : [1, 1]);
      }
    } finally {
      await replica.close();
    }
  });

  it('come to the end of more than one batch', async () => {
    const held = await Promise.all(times(450, () => tasks.create()));
    await test.database.pool.query(
      `update task set deadline = now() - interval '2 minutes', due = now() - interval '1 minute' where task_id = any($1)`,
      [held],
    );
    await sweep();
    for (const taskId of [held[0]!, held[449]!]) expect(await tasks.state(taskId)).toBe('exception');
    const { rows } = await test.database.pool.query(`select count(*)::integer from task where task_id = any($1) and due is not null`, [
      held,
    ]);
    expect(rows).toEqual([{ count: 0 }]);
  });
});

describe('claimWork', () => {
  it('hands out by priority, then in the order in which runs became pending', async () => {
    const taskQueueId = queue();
    const created: Record<string, string[]> = {};
    for (const priority of ['lowest', 'high', 'very-low', 'highest', 'medium', 'low', 'very-high', 'high', 'lowest']) {
      const taskId = await tasks.create({ taskQueueId, priority });
      created[priority] = [...(created[priority] ?? []), taskId];
      await new Promise((done) => setTimeout(done, 2)); // a later millisecond
    }
    const expected = ['highest', 'very-high', 'high', 'medium', 'low', 'very-low', 'lowest'].flatMap((priority) => created[priority]!);
    const claimed: string[] = [];
    for (const batch of [1, 1, 3, 32]) {
      const { tasks: claims } = await ok(tasks.claimWork(taskQueueId, batch));
      claimed.push(...claims.map((claim: { status: { taskId: string } }) => claim.status.taskId));
    }
    expect(claimed).toEqual(expected);
  });

  it('puts a run that is tried again behind those of its priority', async () => {
    const taskQueueId = queue();
    const first = await tasks.create({ taskQueueId });
    await ok(tasks.claimWork(taskQueueId));
    const second = await tasks.create({ taskQueueId });
    await new Promise((done) => setTimeout(done, 2));
    await ok(tasks.report('worker-shutdown', first));
    const { tasks: claims } = await ok(tasks.claimWork(taskQueueId, 5));
    expect(claims.map((claim: { status: { taskId: string } }) => claim.status.taskId)).toEqual([second, first]);
    expect(claims.map((claim: { fence: number; runId: number }) => [claim.runId, claim.fence])).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  it('gives what there is, of this queue only, and never the same again', async () => {
    const [taskQueueId, other] = [queue(), queue()];
    await tasks.create({ taskQueueId: other });
    const ids = [await tasks.create({ taskQueueId }), await tasks.create({ taskQueueId })];
    const { tasks: claims } = await ok(tasks.claimWork(taskQueueId, 32));
    expect(claims.map((claim: { status: { taskId: string } }) => claim.status.taskId)).toEqual(ids);
    for (const claim of claims) expect(claim.status).toEqual(await tasks.status(claim.status.taskId));
    expect((await ok(tasks.claimWork(taskQueueId))).tasks).toEqual([]);
  });

  it('refuses what is no queue, no worker or no number', async () => {
    for (const taskQueueId of ['x', 'p/W', 'p/w/x', '']) await refused(tasks.claimWork(taskQueueId), taskQueueId === '' ? 404 : 400);
    for (const count of [0, 33, -1, 1.5, '1', null]) {
      const claim = tasks.claimWork(queue(), count as number);
      expect(await refused(claim, 400)).toContain('tasks');
    }
    expect(await refused(tasks.claimWork(queue(), 1, { workerGroup: 'g' }), 400)).toContain('workerId');
  });

  it('takes the queue with an encoded and with a plain slash', async () => {
    const taskQueueId = queue();
    await tasks.create({ taskQueueId });
    expect((await ok(tasks.claimWork(taskQueueId))).tasks).toHaveLength(1);
    for (const [method, path, status] of [
      ['POST', `claim-work/${taskQueueId}`, 403],
      ['GET', `pending/${taskQueueId}`, 403],
      ['POST', `claim-work/${taskQueueId}/x`, 404],
    ] as const) {
      const body = method === 'POST' ? JSON.stringify(WORKER) : null;
      const answer = await fetch(`${test.root.url}/api/queue/v1/${path}`, {
        method,
        body,
        headers: { 'content-type': 'application/json' },
      });
      expect([path, answer.status]).toEqual([path, status]); // without credentials; the route is there
    }
  });
});

describe('counts', () => {
  it('are of pending and of claimed tasks, of one queue', async () => {
    const taskQueueId = queue();
    const [provisionerId, workerType] = taskQueueId.split('/');
    const path = `/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/counts`;
    const names = { provisionerId, workerType, taskQueueId };
    expect(await ok(test.root.get(path))).toEqual({ ...names, pendingTasks: 0, claimedTasks: 0 });
    const ids = await Promise.all(times(5, () => tasks.create({ taskQueueId })));
    await unscheduled({ taskQueueId });
    const { tasks: claims } = await ok(tasks.claimWork(taskQueueId, 2));
    expect(await ok(test.root.get(path))).toEqual({ ...names, pendingTasks: 3, claimedTasks: 2 });
    await ok(tasks.report('completed', claims[0].status.taskId));
    await ok(tasks.report('worker-shutdown', claims[1].status.taskId));
    expect(await ok(test.root.get(path))).toEqual({ ...names, pendingTasks: 4, claimedTasks: 0 });
    await Promise.all(ids.map((taskId) => tasks.steer('cancel', taskId)));
    expect(await ok(test.root.get(`/queue/v1/pending/${encodeURIComponent(taskQueueId)}`))).toEqual({ ...names, pendingTasks: 0 });
  });
});

describe('the Idempotency-Key of claimWork', () => {
  const KEY = { 'idempotency-key': 'once' };
  const idsOf = (body: { tasks: { status: { taskId: string } }[] }) => body.tasks.map(({ status }) => status.taskId);

  it('brings back the same claims with fresh credentials, and no new ones', async () => {
    const taskQueueId = queue();
    const ids = await Promise.all(times(4, () => tasks.create({ taskQueueId })));
    const first = await ok(tasks.claimWork(taskQueueId, 2, WORKER, KEY));
    expect(first.tasks).toHaveLength(2);
    for (const count of [2, 1, 32]) {
      const again = await ok(tasks.claimWork(taskQueueId, count, WORKER, KEY));
      const comparable = ({ credentials: _, ...claim }: { credentials: object }) => claim;
      expect(again.tasks.map(comparable)).toEqual(first.tasks.map(comparable));
      expect(again.tasks[0].credentials.accessToken).not.toBe(first.tasks[0].credentials.accessToken);
    }
    const states = await Promise.all(ids.map((taskId) => tasks.state(taskId)));
    expect(states.sort()).toEqual(['pending', 'pending', 'running', 'running']);
  });

  it('lends credentials that reach as far as the lease does by now', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ taskQueueId });
    await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY));
    const far = new Date(Date.now() + 100_000_000).toISOString();
    await tasks.alter(taskId, `taken_until = '${far}'`);
    const [again] = (await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY))).tasks;
    expect([again.takenUntil, again.fence]).toEqual([far, 1]);
    const { authorizedScopes: _, ...credentials } = again.credentials;
    await ok(test.root.as(credentials).post(`/queue/v1/task/${taskId}/runs/0/completed`));
  });

  it('is of one worker, one queue and one key', async () => {
    const [taskQueueId, elsewhere] = [queue(), queue()];
    for (const id of [...times(5, () => taskQueueId), elsewhere]) await tasks.create({ taskQueueId: id });
    const claims = [
      await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY)),
      await ok(tasks.claimWork(taskQueueId, 1, OTHER, KEY)),
      await ok(tasks.claimWork(taskQueueId, 1, { workerGroup: 'other', workerId: 'worker' }, KEY)),
      await ok(tasks.claimWork(taskQueueId, 1, WORKER, { 'idempotency-key': 'twice' })),
      await ok(tasks.claimWork(taskQueueId, 1, WORKER)),
      await ok(tasks.claimWork(elsewhere, 1, WORKER, KEY)),
    ];
    expect(new Set(claims.flatMap(idsOf)).size).toBe(6);
    expect(idsOf(await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY)))).toEqual(idsOf(claims[0]));
  });

  it('leases once when it comes ten times at once, also to two replicas', async () => {
    const replica = await test.replica();
    const there = new Tasks(replica.root as Api, test.database);
    try {
      for (let round = 0; round < 5; round++) {
        const taskQueueId = queue();
        await Promise.all(times(40, () => tasks.create({ taskQueueId })));
        const bodies = await Promise.all(times(10, (n) => ok((n % 2 ? tasks : there).claimWork(taskQueueId, 3, WORKER, KEY))));
        expect(new Set(bodies.map((body) => idsOf(body).join())).size).toBe(1);
        expect(bodies[0].tasks).toHaveLength(3);
        const path = `/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/counts`;
        expect(await ok(test.root.get(path))).toMatchObject({ pendingTasks: 37, claimedTasks: 3 });
      }
    } finally {
      await replica.close();
    }
  });

  it('brings back only those that are still held, and new ones when none is', async () => {
    const taskQueueId = queue();
    const ids = [await tasks.create({ taskQueueId }), await tasks.create({ taskQueueId, retries: 0 }), await tasks.create({ taskQueueId })];
    const [first, second] = idsOf(await ok(tasks.claimWork(taskQueueId, 2, WORKER, KEY))) as [string, string];
    await ok(tasks.report('completed', first));
    expect(idsOf(await ok(tasks.claimWork(taskQueueId, 2, WORKER, KEY)))).toEqual([second]);
    await tasks.lapse(second);
    const next = await ok(tasks.claimWork(taskQueueId, 2, WORKER, KEY));
    expect(idsOf(next)).toEqual(ids.filter((taskId) => taskId !== first && taskId !== second));
    await sweep();
    expect(idsOf(await ok(tasks.claimWork(taskQueueId, 2, WORKER, KEY)))).toEqual(idsOf(next));
  });

  it('leases a run that lapsed anew, with a larger fence', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ taskQueueId });
    await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY));
    await tasks.lapse(taskId);
    await sweep();
    const [claim] = (await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY))).tasks;
    expect([claim.status.taskId, claim.runId, claim.fence]).toEqual([taskId, 1, 2]);
  });

  it('does not bring back a run that was canceled, or claimed again by name', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ taskQueueId });
    await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY));
    await ok(tasks.steer('cancel', taskId));
    expect((await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY))).tasks).toEqual([]);
    await ok(tasks.steer('rerun', taskId));
    await ok(tasks.claimTask(taskId, 1));
    expect((await ok(tasks.claimWork(taskQueueId, 1, WORKER, KEY))).tasks).toEqual([]);
  });

  it('waits on an empty queue, and brings back what came', async () => {
    const taskQueueId = queue();
    const waiting = [tasks.claimWork(taskQueueId, 2, WORKER, KEY), tasks.claimWork(taskQueueId, 2, WORKER, KEY)].map(ok);
    const { lines } = test.service.app.get(ClaimDesk) as unknown as { lines: Map<string, { waiting: Set<unknown>; empty: boolean }> };
    await waitingFor(async () => lines.get(taskQueueId)?.waiting.size === 2 && lines.get(taskQueueId)?.empty);
    const taskId = await tasks.create({ taskQueueId });
    for (const body of await Promise.all(waiting)) expect(idsOf(body)).toEqual([taskId]);
    expect(idsOf(await ok(tasks.claimWork(taskQueueId, 2, WORKER, KEY)))).toEqual([taskId]);
  });

  it('must have 1 to 255 characters', async () => {
    const taskQueueId = queue();
    expect(await refused(tasks.claimWork(taskQueueId, 1, WORKER, { 'idempotency-key': 'k'.repeat(256) }), 400)).toContain(
      'Idempotency-Key',
    );
    expect(await refused(tasks.claimWork(taskQueueId, 1, WORKER, { 'idempotency-key': '' }), 400)).toContain('Idempotency-Key');
    await tasks.create({ taskQueueId });
    expect((await ok(tasks.claimWork(taskQueueId, 1, WORKER, { 'idempotency-key': 'k'.repeat(255) }))).tasks).toHaveLength(1);
  });
});

describe('who may', () => {
  const verbs = ['schedule', 'cancel', 'rerun'] as const;
  let taskId: string;
  let taskGroupId: string;
  beforeAll(async () => {
    taskGroupId = slugid();
    taskId = await tasks.create({ taskGroupId, schedulerId: 'sched', projectId: 'proj', taskQueueId: 'prov/type' });
  });

  it.each(verbs)('%s: by task, by project or as scheduler, and nobody else', async (verb) => {
    const alternatives = [
      [`queue:${verb}-task:sched/${taskGroupId}/${taskId}`],
      [`queue:${verb}-task-in-project:proj`],
      [`queue:${verb}-task`, `assume:scheduler-id:sched/${taskGroupId}`],
    ];
    for (const authorizedScopes of alternatives) await ok(tasks.steer(verb, taskId, { authorizedScopes }));
    const other = verb === 'cancel' ? 'rerun' : 'cancel';
    const others = [
      [],
      [`queue:${verb}-task:sched/${taskGroupId}/${slugid()}`],
      [`queue:${verb}-task:other/${taskGroupId}/${taskId}`],
      [`queue:${verb}-task-in-project:other`],
      [`queue:${verb}-task`],
      [`assume:scheduler-id:sched/${taskGroupId}`],
      [`queue:${verb}-task`, `assume:scheduler-id:sched/${slugid()}`],
      [`queue:${other}-task:*`, `queue:${other}-task-in-project:*`, 'queue:get-task:*', 'queue:status:*'],
    ];
    for (const authorizedScopes of others) await refused(tasks.steer(verb, taskId, { authorizedScopes }), 403);
  });

  it('claim by name: the queue and the worker, both', async () => {
    const needed = ['queue:claim-task:prov/type', 'queue:worker-id:group/worker'];
    for (const authorizedScopes of [
      [],
      needed.slice(1),
      needed.slice(0, 1),
      ['queue:claim-task:prov/other', needed[1]!],
      [needed[0]!, 'queue:worker-id:group/other'],
    ]) {
      await refused(tasks.claimTask(taskId, 0, WORKER, { authorizedScopes }), 403);
    }
    await refused(tasks.claimTask(taskId, 99, WORKER, { authorizedScopes: needed }), 404);
  });

  it('claim work: the queue and the worker, both, after the body was looked at', async () => {
    const needed = ['queue:claim-work:prov/none', 'queue:worker-id:group/worker'];
    const claim = (authorizedScopes: string[], body: object = WORKER) =>
      test.root.post('/queue/v1/claim-work/prov%2Fnone', body, { authorizedScopes });
    for (const scopes of [[], needed.slice(1), needed.slice(0, 1)]) await refused(claim(scopes), 403);
    await refused(claim([], { workerGroup: 'g' }), 400);
    await ok(claim(needed));
  });

  it.each([
    ['get', '', 'queue:get-task:'],
    ['get', '/status', 'queue:status:'],
    ['post', '/runs/0/reclaim', 'queue:reclaim-task:'],
    ['post', '/runs/0/completed', 'queue:resolve-task:'],
    ['post', '/runs/0/failed', 'queue:resolve-task:'],
    ['post', '/runs/0/exception', 'queue:resolve-task:'],
  ] as const)('%s task%s: %s…', async (method, path, prefix) => {
    const run = path.startsWith('/runs') ? '/0' : '';
    const call = (id: string, authorizedScopes: string[]) =>
      test.root.request(method, `/queue/v1/task/${id}${path}`, {
        authorizedScopes,
        body: method === 'post' ? { reason: 'internal-error' } : undefined,
      });
    const missing = slugid();
    for (const id of [taskId, missing]) {
      await refused(call(id, []), 403);
      await refused(call(id, [`${prefix}${slugid()}${run}`, `${prefix}${id}/1`]), 403);
    }
    const { status } = await call(taskId, [`${prefix}${taskId}${run}`]);
    expect(status).toBe(run ? 409 : 200);
    await refused(call(missing, [`${prefix}${missing}${run}`]), 404);
  });

  it('learn that a task exists: only who may see its status', async () => {
    const missing = slugid();
    const calls = [
      ...verbs.map((verb) => (id: string, authorizedScopes: string[]) => tasks.steer(verb, id, { authorizedScopes })),
      (id: string, authorizedScopes: string[]) => tasks.claimTask(id, 0, WORKER, { authorizedScopes }),
    ];
    for (const call of calls) {
      for (const scopes of [[], ['queue:schedule-task', 'queue:worker-id:*'], ['queue:cancel-task-in-project:other', 'queue:get-task:*']]) {
        const [existing, absent] = [await call(taskId, scopes), await call(missing, scopes)];
        const text = ({ body }: typeof existing, id: string) => body.message.replaceAll(id, '<id>').replace(/\* time:.*/, '');
        expect([existing.status, text(existing, taskId)]).toEqual([403, text(absent, missing)]);
        expect(absent.status).toBe(403);
        for (const secret of ['sched', 'proj', taskGroupId, 'prov/type']) {
          expect(existing.body.message).not.toMatch(new RegExp(`[:/]${secret}\\b`));
        }
      }
      await refused(call(missing, [`queue:status:${missing}`]), 404);
      await refused(call(taskId, [`queue:status:${taskId}`]), 403);
    }
    const anonymous = test.root.as();
    const [existing, absent] = [
      await anonymous.post(`/queue/v1/task/${taskId}/cancel`),
      await anonymous.post(`/queue/v1/task/${missing}/cancel`),
    ];
    expect([existing.status, absent.status]).toEqual([403, 403]);
  });

  it('count: who holds the scope of the count', async () => {
    const path = '/queue/v1/task-queues/prov%2Ftype/counts';
    const needed = ['queue:pending-count:prov/type', 'queue:claimed-count:prov/type'];
    for (const authorizedScopes of [[], needed.slice(1), needed.slice(0, 1)]) await refused(test.root.get(path, { authorizedScopes }), 403);
    await ok(test.root.get(path, { authorizedScopes: needed }));
    await refused(test.root.get('/queue/v1/pending/prov%2Ftype', { authorizedScopes: needed.slice(1) }), 403);
    await ok(test.root.get('/queue/v1/pending/prov%2Ftype', { authorizedScopes: needed.slice(0, 1) }));
  });
});

async function row(taskId: string): Promise<{ due: Date; deadline: Date }> {
  return (await test.database.pool.query('select due, deadline from task where task_id = $1', [taskId])).rows[0];
}

async function waitingFor(come: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await come()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error('waited 5 s in vain');
}

/** Until so many statements of the service wait for a lock. */
async function waitingForLocks(count: number): Promise<void> {
  const waiting = `select from pg_stat_activity where datname = current_database() and application_name = 'leasehold' and wait_event_type = 'Lock'`;
  await waitingFor(async () => ((await test.database.pool.query(waiting)).rowCount ?? 0) >= count);
}

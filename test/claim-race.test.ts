import { SweepService } from '../src/service/queue/sweep.service.js';
import { type Answer, type Api, definition, slugid } from './support/api.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

let test: TestService;
let replica: Awaited<ReturnType<TestService['replica']>>;
let apis: Api[];
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 1.5 });
  replica = await test.replica();
  apis = [test.root, replica.root];
  tasks = new Tasks(test.root, test.database);
});
afterAll(async () => {
  await replica.close();
  await test.close();
});

it('large definitions are given out a few at a time, and who got none does not wait for the next poll', async () => {
  const MIB = 1024 * 1024;
  const taskQueueId = 'race/large';
  const taskIds = times(25, slugid);
  await insertTasks(taskQueueId, taskIds);
  const resize = (size: number) =>
    test.database.pool.query('update task_definition set size = $1 where task_id = any($2)', [size, taskIds]);
  await resize(MIB);
  const claim = async (workerId: string, wanted: number, headers = {}) => {
    const claimed = await ok(tasks.claimWork(taskQueueId, wanted, { workerGroup: 'large', workerId }, headers));
    return claimed.tasks.map(({ status }: { status: { taskId: string } }) => status.taskId);
  };
  expect(await claim('one', 5)).toHaveLength(2);
  const keyed = { 'idempotency-key': slugid() };
  const first = await claim('one', 5, keyed);
  expect(first).toHaveLength(2);
  expect(await claim('one', 5, keyed)).toEqual(first);
  await resize(MIB + 1);
  expect(await claim('one', 5)).toHaveLength(1);
  await resize(10 * MIB);
  const began = performance.now();
  const all = (await Promise.all(times(20, (n) => claim(`worker-${n}`, 2)))).flat();
  expect(performance.now() - began).toBeLessThan(1_400); // one poll a second would leave most of them with nothing
  expect(new Set(all).size).toBe(20);
});

/** As if created through the API, all at once. */
async function insertTasks(taskQueueId: string, taskIds: readonly string[]): Promise<void> {
  const stored = { ...definition({ taskQueueId }), scopes: [], dependencies: [], routes: [], priority: 'lowest', retries: 5 };
  const json = JSON.stringify({
    ...stored,
    provisionerId: taskQueueId.split('/')[0],
    workerType: taskQueueId.split('/')[1],
    schedulerId: '-',
    projectId: 'none',
    taskGroupId: taskIds[0],
    requires: 'all-completed',
    tags: {},
    extra: {},
  });
  await test.database.pool.query(
    `insert into task_definition (task_id, definition, size, digest, scopes, retries, expires)
     select id, $2::text::json, octet_length($2::text), '\\x00', '{}', 5, now() + interval '1 day' from unnest($1::text[]) as id`,
    [taskIds, json],
  );
  await test.database.pool.query(
    `insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires,
                       unsatisfied, state, run_id, reason_created, scheduled, due)
     select id, $2, $3, '-', 'none', place % 7, 5, now() + interval '1 hour', now() + interval '1 day',
            0, 'pending', 0, 'scheduled', now(), now() + interval '1 hour'
       from unnest($1::text[]) with ordinality as given (id, place)`,
    [taskIds, taskQueueId, taskIds[0]],
  );
}

it('16 claimers on two replicas lease each of 5 000 tasks once, and lose none', async () => {
  const taskQueueId = 'race/claims';
  const ids = times(4700, slugid);
  await insertTasks(taskQueueId, ids);
  const leased: { taskId: string; runId: number; fence: number; worker: string }[] = [];
  const claim = async (n: number) => {
    const api = apis[n % 2]!;
    const worker = { workerGroup: 'race', workerId: `worker-${n}` };
    for (let empty = 0; empty < 2 && leased.length < 5000; ) {
      const { tasks: claims } = await ok(new Tasks(api, test.database).claimWork(taskQueueId, 1 + ((n * 5) % 32), worker));
      empty = claims.length > 0 ? 0 : empty + 1;
      for (const { status, runId, fence, workerId } of claims) {
        if (workerId !== worker.workerId || status.runs[runId].workerId !== workerId) throw new Error(`${workerId} is not the worker`);
        leased.push({ taskId: status.taskId, runId, fence, worker: workerId });
      }
    }
  };
  const create = async (n: number) => {
    for (let count = 0; count < 30; count++) {
      ids.push(await new Tasks(apis[n % 2]!, test.database).create({ taskQueueId, priority: pick(['highest', 'lowest']) }));
    }
  };
  await Promise.all([...times(16, claim), ...times(10, create)]);
  expect(ids).toHaveLength(5000);
  expect(leased.map(({ taskId }) => taskId).sort()).toEqual([...ids].sort());
  expect(new Set(leased.map(({ runId, fence }) => `${runId} ${fence}`))).toEqual(new Set(['0 1']));
  const { rows } = await test.database.pool.query(
    'select task_id as "taskId", worker_id as worker from task where task_queue_id = $1 and fence = 1',
    [taskQueueId],
  );
  const holders = new Map(rows.map(({ taskId, worker }) => [taskId, worker]));
  expect(leased.filter(({ taskId, worker }) => holders.get(taskId) !== worker)).toEqual([]);
  expect(new Set(leased.map(({ worker }) => worker)).size).toBe(16);
}, 60_000);

it('a storm of claims, reports, lapses and sweeps leaves a history without contradictions', async () => {
  const taskQueueId = 'race/storm';
  const ids = await Promise.all(times(120, () => tasks.create({ taskQueueId, retries: 3 })));
  const history: { taskId: string; runId: number; fence: number; workerId: string; keyed: boolean }[] = [];
  const reports: { taskId: string; runId: number; outcome: string; status: number }[] = [];
  const torn: unknown[] = [];
  const until = Date.now() + 30_000;
  const open = async () =>
    (
      await test.database.pool.query(`select 1 from task where task_queue_id = $1 and state in ('pending', 'running') limit 1`, [
        taskQueueId,
      ])
    ).rowCount;
  let over = false;

  const report = async (at: Tasks, taskId: string, runId: number, outcome: string) => {
    const { status, body } = await at.report(outcome, taskId, runId);
    reports.push({ taskId, runId, outcome, status });
    if (status === 200) whole(body.status);
  };
  const whole = (status: Answer['body']) => {
    const broken = status.runs.some((run: { runId: number }, index: number) => run.runId !== index);
    if (broken) torn.push(status);
  };
  const outcomes = [
    'completed',
    'failed',
    'worker-shutdown',
    'intermittent-task',
    'worker-shutdown',
    'intermittent-task',
    'internal-error',
  ];

  /** Claims a few; ends most, some twice at once and differently; forgets some, so that their leases lapse. */
  const work = async (n: number) => {
    const at = new Tasks(apis[n % 2]!, test.database);
    const workerId = `worker-${n}`;
    for (let round = 0; !over; round++) {
      const headers: Record<string, string> = n % 3 === 0 ? { 'idempotency-key': `${n} ${round}` } : {};
      const { tasks: claims } = await ok(at.claimWork(taskQueueId, 1 + (n % 5), { workerGroup: 'race', workerId }, headers));
      for (const { status, runId, fence } of claims) {
        whole(status);
        history.push({ taskId: status.taskId, runId, fence, workerId, keyed: n % 3 === 0 });
        const chance = Math.random();
        if (chance < 0.3) continue;
        if (chance < 0.5) await at.reclaim(status.taskId, runId);
        const both = chance > 0.85 ? [pick(outcomes), pick(outcomes)] : [pick(outcomes)];
        const other = new Tasks(apis[(n + 1) % 2]!, test.database);
        await Promise.all(both.map((outcome, index) => report(index ? other : at, status.taskId, runId, outcome)));
      }
    }
  };
  const sweepAll = async (service: TestService['service']) => {
    while (!over) await service.app.get(SweepService).sweep();
  };
  const time = async () => {
    while (Date.now() < until && (await open())) {
      await test.database.pool.query(
        `update task set taken_until = now() - interval '1 millisecond', due = now() - interval '1 millisecond'
          where task_id in (select task_id from task where task_queue_id = $1 and state = 'running' order by random() limit 4 for update skip locked)`,
        [taskQueueId],
      );
      await new Promise((done) => setTimeout(done, 15));
    }
    over = true;
  };
  await Promise.all([...times(12, work), sweepAll(test.service), sweepAll(replica.service), time()]);

  expect(torn).toEqual([]);
  const claims = history.filter(({ keyed }) => !keyed);
  expect(claims.length).toBeGreaterThan(100);
  expect(new Set(history.map(({ taskId, runId }) => `${taskId}/${runId}`)).size).toBe(history.length);
  expect(new Set(history.map(({ taskId, fence }) => `${taskId}/${fence}`)).size).toBe(history.length);
  for (const taskId of ids) {
    const { runs, state } = await tasks.status(taskId);
    expect(['completed', 'failed', 'exception']).toContain(state);
    const mine = history.filter((claim) => claim.taskId === taskId).sort((one, other) => one.fence - other.fence);
    expect(mine.map(({ runId, fence, workerId }) => [runId, fence, workerId])).toEqual(
      runs.map((run: { runId: number; workerId: string }) => [run.runId, run.runId + 1, run.workerId]),
    );
    for (const [index, run] of runs.entries()) {
      const ordered = [runs[index - 1]?.resolved ?? '', run.scheduled, run.started, run.resolved];
      expect([...ordered].sort()).toEqual(ordered);
      const accepted = reports.filter((one) => one.taskId === taskId && one.runId === run.runId && one.status === 200);
      expect(new Set(accepted.map(({ outcome }) => outcome)).size).toBeLessThanOrEqual(1);
      if (accepted[0]) expect(run.reasonResolved).toBe(accepted[0].outcome);
      else expect(run.reasonResolved).toBe('claim-expired');
    }
  }
  expect(reports.every(({ status }) => status === 200 || status === 409)).toBe(true);
}, 60_000);

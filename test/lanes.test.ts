import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type pg from 'pg';
import { HotSql } from '../src/service/postgres/hot-sql.js';
import { Sql } from '../src/service/postgres/sql.js';
import { LOOK_BACK_MS } from '../src/service/queue/claims/watermark.js';
import { type Answer, type Api, definition, slugid } from './support/api.js';
import { ok, refused, Tasks, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* Requests that come at once share statements. Nobody may notice but by the speed. */

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
const statuses = async (answers: Promise<Answer>[]) => (await Promise.all(answers)).map(({ status }) => status);

/** How long a shared statement takes here: a test's client is slower than Postgres, and would find every lane free. */
const SLOW_MS = 200;

let test: TestService;
let root: Api;
let tasks: Tasks;
let hot: HotSql;
let queries: jest.SpiedFunction<HotSql['query']>;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 1 });
  root = test.root;
  tasks = new Tasks(root, test.database);
  hot = test.service.app.get(HotSql);
  const query = hot.query.bind(hot);
  queries = jest.spyOn(hot, 'query');
  queries.mockImplementation(async (statement, parameters) => {
    await sleep(SLOW_MS);
    return query(statement, parameters) as Promise<never>;
  });
});
beforeEach(() => void queries.mockClear());
afterAll(() => test.close());

/** How many statements of this name were asked, since the test began. */
const asked = (name: string) => queries.mock.calls.filter(([statement]: unknown[]) => (statement as { name: string }).name === name).length;

const queue = () => `test/q${slugid().toLowerCase().replace(/[-_]/g, 'x')}`;

async function held(count: number): Promise<{ taskId: string; api: Api; takenUntil: string }[]> {
  const taskQueueId = queue();
  await Promise.all(times(count, () => tasks.create({ taskQueueId })));
  const claims: Answer['body'][] = [];
  while (claims.length < count) claims.push(...(await ok(tasks.claimWork(taskQueueId, 32))).tasks);
  return claims.map(({ status, credentials, takenUntil }) => ({ taskId: status.taskId, api: root.as(credentials), takenUntil }));
}

/** Does something while somebody else's transaction holds the task's row. */
async function whileLocked<T>(taskId: string, work: (letGo: () => Promise<void>) => Promise<T>): Promise<T> {
  const client: pg.PoolClient = await test.database.pool.connect();
  try {
    await client.query('begin');
    await client.query('select from task where task_id = $1 for update', [taskId]);
    return await work(async () => void (await client.query('commit')));
  } finally {
    await client.query('rollback');
    client.release();
  }
}

describe('creates', () => {
  it('that come at once share statements, and each is answered for itself', async () => {
    const taskGroupId = slugid();
    const given = times(60, (n) => ({
      taskId: slugid(),
      task: definition({
        taskGroupId: n % 2 ? taskGroupId : undefined,
        tags: { n: `${n}` },
        scopes: [`some:scope-${n}`, 'other:*'],
        retries: n % 50,
      }),
    }));
    const answers = await Promise.all(given.map(({ taskId, task }) => ok(tasks.put(taskId, task))));
    expect(asked('create-tasks')).toBeLessThan(20);
    for (const [n, { taskId, task }] of given.entries()) {
      expect(answers[n].status).toMatchObject({ taskId, taskGroupId: n % 2 ? taskGroupId : taskId, state: 'pending', retriesLeft: n % 50 });
      expect(answers[n].status).toEqual(await tasks.status(taskId));
      expect(await ok(root.get(`/queue/v1/task/${taskId}`))).toMatchObject({ tags: { n: `${n}` }, scopes: task.scopes });
    }
  });

  it('refuse what they would refuse alone, and leave nothing of it behind', async () => {
    const [sealed, foreign, taken, twice, raced] = [slugid(), slugid(), slugid(), slugid(), slugid()];
    await tasks.create({ taskGroupId: sealed });
    await ok(root.post(`/queue/v1/task-group/${sealed}/seal`));
    await tasks.create({ taskGroupId: foreign, schedulerId: 'other' });
    await tasks.create({ tags: { a: 'b' } }, taken);
    const before = await tasks.rowCounts();
    const twin = definition();
    const create = (taskId: string, overrides: object = {}) => tasks.put(taskId, { ...definition(), ...overrides });
    const answers = await statuses([
      ...times(8, () => create(slugid())),
      create(slugid(), { taskGroupId: sealed }),
      create(slugid(), { taskGroupId: foreign }),
      create(taken, { taskGroupId: slugid() }),
      ...times(4, () => tasks.put(twice, twin)),
      ...times(4, (n) => create(raced, { tags: { n: `${n}` } })),
      ...times(8, () => create(slugid())),
    ]);
    expect(answers.slice(0, 15)).toEqual([...times(8, () => 200), 409, 409, 409, ...times(4, () => 200)]);
    expect(answers.slice(15, 19).sort()).toEqual([200, 409, 409, 409]);
    expect(answers.slice(19)).toEqual(times(8, () => 200));
    const more = 18;
    const { task, task_definition, task_group } = await tasks.rowCounts();
    expect({ task, task_definition, task_group }).toEqual({
      task: Number(before.task) + more,
      task_definition: Number(before.task_definition) + more,
      task_group: Number(before.task_group) + more,
    });
  });

  it('in one new group of two schedulers: one gets it, the other is refused', async () => {
    const taskGroupId = slugid();
    const of = (schedulerId: string) => times(6, () => tasks.put(slugid(), definition({ taskGroupId, schedulerId })));
    const answers = await Promise.all([...of('one'), ...of('two')]);
    const { schedulerId } = await ok(root.get(`/queue/v1/task-group/${taskGroupId}`));
    const [winners, losers] = schedulerId === 'one' ? [answers.slice(0, 6), answers.slice(6)] : [answers.slice(6), answers.slice(0, 6)];
    expect(winners.map(({ status }) => status)).toEqual(times(6, () => 200));
    expect(losers.map(({ status }) => status)).toEqual(times(6, () => 409));
    for (const { body } of losers) expect(body.message).toContain(`belongs to schedulerId ${schedulerId}`);
  });

  it('that must wait for a group that somebody else is creating hold up nobody else', async () => {
    const taskGroupId = slugid();
    const other = new Tasks(await test.client('*'), test.database);
    const alone = jest.spyOn(test.service.app.get(Sql), 'query');
    const client = await test.database.pool.connect();
    try {
      await client.query('begin');
      await client.query(`insert into task_group (task_group_id, scheduler_id) values ($1, '-')`, [taskGroupId]);
      const waiting = times(30, () => tasks.put(slugid(), definition({ taskGroupId })));
      let answered = false;
      for (const one of waiting) one.then(() => (answered = true));
      const taskIds = times(20, slugid);
      expect(await statuses(taskIds.map((taskId) => other.put(taskId, definition())))).toEqual(times(20, () => 200));
      const parameters = alone.mock.calls.flatMap(([{ name }, given]) => (name === 'insert-task' ? [given?.[0]] : []));
      expect(parameters.length).toBeGreaterThan(0);
      expect(parameters.filter((taskId) => taskIds.includes(taskId as string))).toEqual([]);
      expect((await root.get(`/queue/v1/task/${taskIds[0]}/status`)).status).toBe(200); // there is a connection for others
      expect(answered).toBe(false);
      await client.query('commit');
      expect(await statuses(waiting)).toEqual(times(30, () => 200));
    } finally {
      alone.mockRestore();
      await client.query('rollback');
      client.release();
    }
  });

  it('of large definitions go alone', async () => {
    const large = (extra: object) => tasks.put(slugid(), definition({ extra }));
    expect(await statuses(times(6, () => large({ x: 'y'.repeat(30_000) })))).toEqual(times(6, () => 200));
    expect(asked('create-tasks')).toBe(0);
  });
});

describe('reclaims', () => {
  it('that come at once share statements, and each gets credentials of its own run', async () => {
    const runs = await held(60);
    queries.mockClear();
    const answers = await Promise.all(runs.map(({ taskId, api }) => ok(api.post(`/queue/v1/task/${taskId}/runs/0/reclaim`))));
    expect(asked('report-runs')).toBeLessThan(20);
    for (const [n, { taskId, takenUntil }] of runs.entries()) {
      expect(answers[n]).toMatchObject({ runId: 0, status: { taskId, state: 'running' } });
      expect(answers[n].credentials.clientId).toContain(`task-client/${taskId}/0/`);
      expect(answers[n].takenUntil >= takenUntil).toBe(true);
    }
  });

  it('refuse those whose lease is lost, each with its reason, and no others', async () => {
    const runs = await held(12);
    const [canceled, lapsed, ended, locked] = runs as [(typeof runs)[0], (typeof runs)[0], (typeof runs)[0], (typeof runs)[0]];
    await ok(tasks.steer('cancel', canceled.taskId));
    await tasks.lapse(lapsed.taskId);
    await ok(tasks.report('completed', ended.taskId));
    await whileLocked(locked.taskId, async (letGo) => {
      const answers = runs.map(({ taskId }) => tasks.reclaim(taskId));
      expect(await refused(answers[0] as Promise<Answer>, 409)).toContain('canceled');
      expect(await refused(answers[1] as Promise<Answer>, 409)).toMatch(/lapsed|ran out|expired/);
      expect(await refused(answers[2] as Promise<Answer>, 409)).toContain('completed');
      expect(await statuses(answers.slice(4))).toEqual(times(8, () => 200)); // nobody waits for who waits for a lock
      await letGo();
      expect((await (answers[3] as Promise<Answer>)).status).toBe(200);
    });
  });

  it('a run that is reclaimed ten times at once is reclaimed ten times', async () => {
    const [run] = await held(1);
    expect(await statuses(times(10, () => tasks.reclaim(run?.taskId ?? '')))).toEqual(times(10, () => 200));
  });
});

describe('reports', () => {
  it('that come at once share statements, and each ends its run as it says', async () => {
    const runs = await held(60);
    queries.mockClear();
    const outcomes = ['completed', 'failed', 'malformed-payload', 'internal-error'];
    const outcome = (n: number) => outcomes[n % outcomes.length] as string;
    const answers = await Promise.all(runs.map(({ taskId }, n) => ok(tasks.report(outcome(n), taskId))));
    expect(asked('report-runs')).toBeLessThan(20);
    for (const [n, { taskId }] of runs.entries()) {
      const state = n % 4 < 2 ? outcome(n) : 'exception';
      expect(answers[n].status).toMatchObject({ taskId, state, runs: [{ state, reasonResolved: outcome(n), ...WORKER }] });
      expect(answers[n].status).toEqual(await tasks.status(taskId));
    }
  });

  it('of one run at once: what was reported first stands, the same again is no error, another is', async () => {
    const [run, locked, other] = (await held(3)).map(({ taskId }) => taskId) as [string, string, string];
    await whileLocked(locked, async (letGo) => {
      const answers = times(12, (n) => tasks.report(n % 2 ? 'completed' : 'failed', run));
      const waiting = tasks.report('completed', locked);
      const found = await statuses(answers);
      const { state } = await tasks.status(run);
      expect(found).toEqual(times(12, (n) => (state === (n % 2 ? 'completed' : 'failed') ? 200 : 409)));
      expect((await tasks.report('completed', other)).status).toBe(200);
      await letGo();
      expect((await waiting).status).toBe(200);
    });
  });

  it('unblock what waits for them', async () => {
    const runs = await held(10);
    const dependent = await tasks.create({ dependencies: runs.map(({ taskId }) => taskId), taskQueueId: queue() });
    await Promise.all(runs.map(({ taskId }) => ok(tasks.report('completed', taskId))));
    expect(await tasks.state(dependent)).toBe('pending');
  });
});

describe('claims of a deep queue', () => {
  /** Becomes pending where claims have been already. */
  const toTheFront = (taskId: string) => tasks.alter(taskId, `scheduled = scheduled - interval '1 hour'`);
  const claimed = async (taskQueueId: string, wanted = 1): Promise<string[]> =>
    (await ok(tasks.claimWork(taskQueueId, wanted))).tasks.map(({ status }: Answer['body']) => status.taskId);

  it('find within a second what landed before the mark, though there is enough behind it', async () => {
    const taskQueueId = queue();
    const ids = await Promise.all(times(30, () => tasks.create({ taskQueueId })));
    for (let n = 0; n < 3; n++) expect(await claimed(taskQueueId)).toHaveLength(1);
    const late = (await Promise.all(ids.map(async (taskId) => ((await tasks.state(taskId)) === 'pending' ? [taskId] : []))))
      .flat()
      .at(-1) as string;
    await toTheFront(late);
    await sleep(LOOK_BACK_MS);
    expect(await claimed(taskQueueId)).toEqual([late]);
  });

  it('find at once what landed before the mark when there is too little behind it', async () => {
    const taskQueueId = queue();
    const [first, late, last] = [
      await tasks.create({ taskQueueId }),
      await tasks.create({ taskQueueId }),
      await tasks.create({ taskQueueId }),
    ];
    expect(await claimed(taskQueueId)).toEqual([first]);
    await toTheFront(late);
    expect((await claimed(taskQueueId, 5)).sort()).toEqual([late, last].sort());
  });

  it('hand out a higher priority first, whenever it comes', async () => {
    const taskQueueId = queue();
    await Promise.all(times(10, () => tasks.create({ taskQueueId, priority: 'low' })));
    await claimed(taskQueueId, 4);
    const high = await tasks.create({ taskQueueId, priority: 'high' });
    expect(await claimed(taskQueueId)).toEqual([high]);
  });
});

it('a claim that meets a locked table is made once the lock is gone', async () => {
  const taskQueueId = queue();
  const taskId = await tasks.create({ taskQueueId });
  const client = await test.database.pool.connect();
  try {
    await client.query('begin');
    await client.query('lock table task in access exclusive mode');
    const claim = ok(tasks.claimWork(taskQueueId));
    await sleep(1_500); // longer than the poll, which is a second here
    await client.query('commit');
    expect((await claim).tasks).toMatchObject([{ status: { taskId } }]);
  } finally {
    await client.query('rollback');
    client.release();
  }
});

it('the connections of shared statements keep one plan for all calls, and scan no table', async () => {
  const settings = ['plan_cache_mode', 'enable_seqscan', 'jit', 'lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout'];
  const shown = await hot.query<{ name: string; setting: string }>(
    {
      name: 'test-settings',
      text: `select name, current_setting(name) as setting from unnest($1::text[]) as name`,
    },
    [settings],
  );
  expect(Object.fromEntries(shown.map(({ name, setting }) => [name, setting]))).toEqual({
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    jit: 'off',
    lock_timeout: '50ms',
    statement_timeout: '3s',
    idle_in_transaction_session_timeout: '10s',
  });
});

it('a connection that is cut costs those who share it no answer', async () => {
  const runs = await held(20);
  await test.database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query like '%ordinality as mark%'`,
  );
  expect(await statuses(runs.map(({ taskId }) => tasks.reclaim(taskId)))).toEqual(times(20, () => 200));
});

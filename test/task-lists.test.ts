import { listClaimed } from '../src/service/queue/sql/list-claimed.js';
import { listPending } from '../src/service/queue/sql/list-pending.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { definition, slugid } from './support/api.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const many = (count: number, make: () => Promise<string>) => Promise.all(Array.from({ length: count }, make));

describe.each([
  ['tasks', '/queue/v1/tasks', 'tasks'],
  ['statuses', '/queue/v1/tasks/status', 'statuses'],
] as const)('%s', (_, path, list) => {
  it('answers page by page what exists, as it is answered one by one', async () => {
    const taskIds = (await many(7, () => tasks.create())).sort();
    const seen: { taskId: string; task?: unknown; status?: unknown }[] = [];
    let query = '?limit=3';
    for (let pages = 1; query && pages <= 10; pages++) {
      const body = await ok(test.root.post(`${path}${query}`, { taskIds: [...taskIds, slugid()].reverse() }));
      expect(body[list].length).toBe(pages < 3 ? 3 : 1);
      seen.push(...body[list]);
      query = body.continuationToken ? `?limit=3&continuationToken=${body.continuationToken}` : '';
    }
    expect(seen.map(({ taskId }) => taskId)).toEqual(taskIds);
    const [first] = seen;
    if (list === 'tasks') expect(first?.task).toEqual(await ok(test.root.get(`/queue/v1/task/${taskIds[0]}`)));
    else expect(first?.status).toEqual(await tasks.status(taskIds[0]!));
  });

  it('refuses what is no list of task ids, and tokens it did not give', async () => {
    for (const taskIds of ['x', [1], ['x'], [null], {}]) await refused(test.root.post(path, { taskIds }), 400);
    await refused(test.root.post(path), 400);
    await refused(test.root.post(`${path}?continuationToken=x`, { taskIds: [] }), 400);
    await refused(test.root.post(`${path}?limit=x`, { taskIds: [] }), 400);
  });
});

const MIB = 1024 * 1024;

describe.each(['tasks', 'listDependentTasks', 'listTaskGroup', 'listPendingTasks', 'listClaimedTasks'])('large definitions: %s', (list) => {
  const taskQueueId = `large/${list.toLowerCase()}`;
  const taskGroupId = slugid();
  let required: string;
  let taskIds: string[];

  beforeAll(async () => {
    required = await tasks.create();
    const dependencies = list === 'listDependentTasks' ? [required] : [];
    const payload = { filling: '€'.repeat(300_000) }; // 900 kB: counted in characters it would be a third
    taskIds = (await many(5, () => tasks.create({ taskQueueId, taskGroupId, dependencies, payload }))).sort();
    for (const [age, taskId] of taskIds.entries()) {
      if (list === 'listClaimedTasks') await ok(tasks.claimTask(taskId));
      const at = `date_trunc('hour', now()) + interval '${age} seconds'`;
      if (list.endsWith('edTasks')) await tasks.alter(taskId, `started = ${at}`);
      if (list === 'listPendingTasks') await tasks.alter(taskId, `scheduled = ${at}`);
    }
  });

  async function page(query: Record<string, string>): Promise<{ ids: string[]; token: string | undefined }> {
    const queue = `/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}`;
    const paths: Record<string, string> = {
      listDependentTasks: `/queue/v1/task/${required}/dependents`,
      listTaskGroup: `/queue/v1/task-group/${taskGroupId}/list`,
      listPendingTasks: `${queue}/pending`,
      listClaimedTasks: `${queue}/claimed`,
    };
    const path = `${paths[list] ?? '/queue/v1/tasks'}?${new URLSearchParams({ limit: '1000', ...query })}`;
    const body = await ok(paths[list] ? test.root.get(path) : test.root.post(path, { taskIds }));
    for (const { task } of body.tasks) expect(task.payload.filling).toHaveLength(300_000);
    const ids = body.tasks.map((task: { taskId?: string; status?: { taskId: string } }) => task.taskId ?? task.status?.taskId);
    return { ids, token: body.continuationToken };
  }

  /** How many tasks each page has; together they are all, in order. */
  async function pages(limit: Record<string, string> = {}): Promise<number[]> {
    const seen: string[][] = [];
    for (let token: string | undefined = ''; token !== undefined && seen.length < 10; ) {
      const next = await page({ ...limit, ...(token && { continuationToken: token }) });
      seen.push(next.ids);
      token = next.token;
    }
    expect(seen.flat()).toEqual(taskIds);
    return seen.map(({ length }) => length);
  }

  /** As if the definitions were so large. */
  async function resize(...sizes: number[]): Promise<void> {
    await test.database.pool.query(
      `update task_definition set size = given.size
         from unnest($1::text[], $2::integer[]) as given (task_id, size) where task_definition.task_id = given.task_id`,
      [taskIds, sizes],
    );
  }

  it('come in short pages, which add up to the whole in order', async () => {
    expect(await pages()).toEqual([2, 2, 1]);
    expect(await pages({ limit: '1' })).toEqual([1, 1, 1, 1, 1]);
    expect(await pages({ limit: '3' })).toEqual([2, 2, 1]);
  });

  it('fill a page to the byte, and the last one ends without a token', async () => {
    await resize(MIB, MIB, 1, 2 * MIB - 2, 1);
    expect(await pages()).toEqual([2, 3]);
    await resize(MIB, MIB, 1, 2 * MIB - 1, 1);
    expect(await pages()).toEqual([2, 2, 1]);
    await resize(MIB, MIB + 1, 1, 1, 1);
    expect(await pages()).toEqual([1, 4]);
    expect(await pages({ limit: '2' })).toEqual([1, 2, 2]);
  });

  it('come alone if one is larger than a page', async () => {
    await resize(1, 3 * MIB, 3 * MIB, 1, 3 * MIB);
    expect(await pages()).toEqual([1, 1, 1, 1, 1]);
    await resize(10 * MIB, 1, 1, 1, 1);
    expect(await pages()).toEqual([1, 4]);
  });
});

describe('tasks of fifty runs', () => {
  const taskGroupId = slugid();
  let required: string;
  let taskIds: string[];

  beforeAll(async () => {
    required = await tasks.create();
    const all = Array.from({ length: 130 }, () => ({ taskId: slugid(), task: definition({ taskGroupId, dependencies: [required] }) }));
    await ok(test.root.post('/queue/v1/tasks/create', { tasks: all }));
    taskIds = all.map(({ taskId }) => taskId).sort();
    await test.database.pool.query(`
      insert into past_run
      select task_id, nth, 'exception', 'task-retry', now(), now(), repeat('g', 38), repeat('w', 38), now(), now(), 'intermittent-task'
        from task, generate_series(0, 48) as nth where task_group_id = '${taskGroupId}'`);
    await test.database.pool.query(`
      update task set run_id = 49, state = 'running', reason_created = 'task-retry', scheduled = now(), started = now(),
             worker_group = repeat('g', 38), worker_id = repeat('w', 38), taken_until = now() + interval '1 hour'
       where task_group_id = '${taskGroupId}'`);
  });

  it.each(['statuses', 'listDependentTasks', 'listTaskGroup'])('come in short pages from %s, which add up to the whole', async (list) => {
    const seen: { taskId: string; runs: unknown[] }[] = [];
    const sizes: number[] = [];
    for (let query = ''; sizes.length < 5; ) {
      const body = await ok(
        list === 'statuses'
          ? test.root.post(`/queue/v1/tasks/status${query}`, { taskIds })
          : test.root.get(
              list === 'listTaskGroup'
                ? `/queue/v1/task-group/${taskGroupId}/list${query}`
                : `/queue/v1/task/${required}/dependents${query}`,
            ),
      );
      sizes.push(JSON.stringify(body).length);
      seen.push(...(body.statuses ?? body.tasks).map(({ status }: { status: unknown }) => status));
      if (!body.continuationToken) break;
      query = `?continuationToken=${body.continuationToken}`;
    }
    expect(seen.map(({ taskId }) => taskId)).toEqual(taskIds);
    for (const { runs } of seen) expect(runs).toHaveLength(50);
    expect(sizes).toHaveLength(2);
    expect(sizes[0]).toBeGreaterThan(1.8 * MIB);
    expect(sizes[0]).toBeLessThan(2.2 * MIB);
  });
});

it('more readers of lists than are let in at once are all answered, also when some fail', async () => {
  const taskQueueId = 'many/readers';
  const taskId = await tasks.create({ taskQueueId });
  const path = `/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/pending`;
  const lock = await test.database.pool.connect();
  try {
    await lock.query('begin; lock table task_definition in access exclusive mode');
    const readers = Array.from({ length: 12 }, () => test.root.get(path));
    const blocked = `select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    let pids: { pid: number }[] = [];
    while (pids.length < 4) pids = (await test.database.pool.query(blocked)).rows;
    for (const { pid } of pids) await test.database.pool.query('select pg_cancel_backend($1)', [pid]);
    await lock.query('commit');
    const answers = await Promise.all(readers);
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(8).fill(200), ...Array(4).fill(503)]);
    for (const { status, body } of answers) if (status === 200) expect(body.tasks[0].taskId).toBe(taskId);
  } finally {
    lock.release(true);
  }
});

describe('listDependentTasks', () => {
  const path = (taskId: string) => `/queue/v1/task/${taskId}/dependents`;

  it('wants its scope, and a task', async () => {
    const taskId = await tasks.create();
    const other = await test.client(`queue:list-dependent-tasks:${slugid()}`, `queue:get-task:${taskId}`);
    await refused(other.get(path(taskId)), 403);
    const caller = await test.client(`queue:list-dependent-tasks:${taskId}`);
    expect(await ok(caller.get(path(taskId)))).toEqual({ taskId, tasks: [] });
    await refused(test.root.get(path(slugid())), 404);
  });

  it('answers the dependents page by page, waiting or not, and goes on when one expires between pages', async () => {
    const required = await tasks.create();
    const dependents = (await many(5, () => tasks.create({ dependencies: [required] }))).sort();
    await tasks.run('completed', required);
    await ok(tasks.steer('cancel', dependents[2] as string)); // only what has ended is forgotten
    const first = await ok(test.root.get(`${path(required)}?limit=2`));
    expect(first.tasks.map(({ status }: { status: { taskId: string } }) => status.taskId)).toEqual(dependents.slice(0, 2));
    expect(first.tasks[0]).toEqual({
      status: await tasks.status(dependents[0]!),
      task: await ok(test.root.get(`/queue/v1/task/${dependents[0]}`)),
    });
    for (const table of ['task', 'task_definition']) {
      await test.database.pool.query(`update ${table} set expires = now() - interval '1 hour' where task_id = $1`, [dependents[2]]);
    }
    await test.service.app.get(SweepService).expire();
    const second = await ok(test.root.get(`${path(required)}?limit=2&continuationToken=${first.continuationToken}`));
    expect(second.tasks.map(({ status }: { status: { taskId: string } }) => status.taskId)).toEqual(dependents.slice(3));
    expect(second.continuationToken).toBeUndefined();
  });
});

describe('changeTaskPriority', () => {
  const change = (taskId: string, newPriority: unknown, api = test.root) => api.post(`/queue/v1/task/${taskId}/priority`, { newPriority });

  it('moves a waiting task in its queue, and is seen everywhere', async () => {
    const taskQueueId = 'test/priority-order';
    const [first, second] = [
      await tasks.create({ taskQueueId, priority: 'medium' }),
      await tasks.create({ taskQueueId, priority: 'lowest' }),
    ];
    await ok(change(second, 'highest'));
    expect((await ok(test.root.get(`/queue/v1/task/${second}`))).priority).toBe('highest');
    const { tasks: claims } = await ok(tasks.claimWork(taskQueueId, 2));
    expect(
      claims.map(({ status, task }: { status: { taskId: string }; task: { priority: string } }) => [status.taskId, task.priority]),
    ).toEqual([
      [second, 'highest'],
      [first, 'medium'],
    ]);
  });

  it('to the one it has is fine, and so is the same createTask afterwards', async () => {
    const { definition } = await import('./support/api.js');
    const [taskId, body] = [slugid(), definition({ priority: 'low' })];
    await ok(tasks.put(taskId, body));
    for (const priority of ['low', 'high', 'high']) await ok(change(taskId, priority));
    expect((await ok(tasks.put(taskId, body))).status.priority).toBe('high');
  });

  it('works for a rerun task, not for one that has ended or is past its deadline', async () => {
    const taskId = await tasks.create();
    await tasks.run('failed', taskId);
    expect(await refused(change(taskId, 'high'), 409)).toMatch(/is failed/);
    await ok(tasks.steer('rerun', taskId));
    await ok(change(taskId, 'high'));
    await tasks.pastDeadline(taskId);
    expect(await refused(change(taskId, 'low'), 409)).toMatch(/deadline/);
    await refused(change(slugid(), 'low'), 404);
    for (const wrong of ['normal', '', null, 3, undefined]) await refused(change(taskId, wrong), 400);
  });
});

type Listed = { taskId: string; runId: number; inserted: string; claimed: string };

describe.each([
  ['pending', 'queue:pending-list'],
  ['claimed', 'queue:claimed-list'],
] as const)('the tasks %s in a queue', (list, scope) => {
  let queues = 0;
  const newQueue = () => `test/${list}-${queues++}`;
  const pathOf = (taskQueueId: string) => `/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/${list}`;
  const column = list === 'pending' ? 'scheduled' : 'started';

  /** A task in the list, `age` seconds old there. */
  async function listed(taskQueueId: string, age: number, overrides: object = {}): Promise<string> {
    const taskId = await tasks.create({ taskQueueId, ...overrides });
    if (list === 'claimed') await ok(tasks.claimTask(taskId));
    await tasks.alter(taskId, `${column} = date_trunc('hour', now()) - interval '${age} seconds'`);
    return taskId;
  }

  async function page(taskQueueId: string, query = ''): Promise<{ ids: string[]; token: string | undefined }> {
    const body = await ok(test.root.get(`${pathOf(taskQueueId)}${query}`));
    return { ids: body.tasks.map(({ taskId }: Listed) => taskId), token: body.continuationToken };
  }

  it('want the scope of that queue', async () => {
    const queue = newQueue();
    await listed(queue, 1);
    const stranger = await test.client(`${scope}:${queue}0`, 'queue:pending-count:*', 'queue:claimed-count:*', 'queue:get-task:*');
    for (const api of [test.root.as(), stranger]) await refused(api.get(pathOf(queue)), 403);
    const caller = await test.client(`${scope}:${queue}`);
    await refused(caller.get(pathOf('test/other')), 403);
    expect((await ok(caller.get(pathOf(queue)))).tasks).toHaveLength(1);
    expect(await page('no/such')).toEqual({ ids: [], token: undefined });
  });

  it('are told with their run and definition, and since when', async () => {
    const queue = newQueue();
    const taskId = await tasks.create({ taskQueueId: queue, priority: 'low', payload: { told: true } });
    await tasks.run('worker-shutdown', taskId);
    await ok(test.root.post(`/queue/v1/task/${taskId}/priority`, { newPriority: 'high' }));
    if (list === 'claimed') await ok(tasks.claimTask(taskId, 1));
    const { runs } = await tasks.status(taskId);
    const task = await ok(test.root.get(`/queue/v1/task/${taskId}`));
    const since =
      list === 'pending' ? { inserted: runs[1].scheduled } : { workerGroup: 'group', workerId: 'worker', claimed: runs[1].started };
    expect(await ok(test.root.get(pathOf(queue)))).toEqual({ tasks: [{ taskId, runId: 1, task, ...since }] });
    expect(task.priority).toBe('high');
  });

  it('come oldest first, whatever their priority, and those of the same moment by id', async () => {
    const queue = newQueue();
    const priorities = ['lowest', 'highest', 'medium', 'very-low', 'high', 'low', 'very-high'];
    const aged = await Promise.all(priorities.map((priority, index) => listed(queue, 100 - index, { priority })));
    const equal = (await Promise.all(priorities.map((priority) => listed(queue, 50, { priority })))).sort();
    await listed(newQueue(), 60);
    const seen: string[] = [];
    for (let query = '?limit=3', pages = 1; query; pages++) {
      const { ids, token } = await page(queue, query);
      expect([pages, ids.length]).toEqual([pages, pages < 5 ? 3 : 2]);
      seen.push(...ids);
      query = token ? `?limit=3&continuationToken=${token}` : '';
    }
    expect(seen).toEqual([...aged, ...equal]);
  });

  it('are neither skipped nor repeated when others come, go and change their priority between pages', async () => {
    const queue = newQueue();
    const [a = '', b = '', c = '', d = '', e = ''] = await Promise.all([50, 40, 30, 20, 10].map((age) => listed(queue, age)));
    const first = await page(queue, '?limit=2');
    expect(first.ids).toEqual([a, b]);
    await ok(tasks.steer('cancel', b));
    await ok(tasks.steer('cancel', c));
    for (const moved of [a, e])
      await ok(test.root.post(`/queue/v1/task/${moved}/priority`, { newPriority: 'highest' })).catch(() => undefined);
    const late = await listed(queue, 5, { priority: 'highest' });
    const second = await page(queue, `?limit=2&continuationToken=${first.token}`);
    expect(second.ids).toEqual([d, e]);
    expect(await page(queue, `?limit=2&continuationToken=${second.token}`)).toEqual({ ids: [late], token: undefined });
  });

  it('end with the run; pending ones also at the deadline, as they are counted', async () => {
    const queue = newQueue();
    const [overdue, over] = [await listed(queue, 2), await listed(queue, 1)];
    await tasks.pastDeadline(overdue);
    await ok(tasks.steer('cancel', over));
    expect((await page(queue)).ids).toEqual(list === 'pending' ? [] : [overdue]);
    const counts = await ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(queue)}/counts`));
    expect(counts[`${list}Tasks`]).toBe(list === 'pending' ? 0 : 1);
  });

  it('are refused for what is no queue, no limit, and no token of ours', async () => {
    for (const id of ['x', 'a%2FB', 'a%2Fb%2Fc']) await refused(test.root.get(`/queue/v1/task-queues/${id}/${list}`), 400);
    const token = (...key: unknown[]) => Buffer.from(JSON.stringify(key)).toString('base64url');
    const time = '2026-11-22T12:00:00.000Z';
    const made = [
      [time],
      [1, 'x'],
      ['x', 'x'],
      ['', ''],
      ['infinity', 'x'],
      ['2026-02-30T00:00:00Z', 'x'],
      [time, 1],
      [time, '\0'],
      [`${time.slice(0, -1)}${'0'.repeat(500)}Z`, 'x'],
    ];
    for (const wrong of ['x', ...made.map((key) => token(...key))]) {
      expect(await refused(test.root.get(`${pathOf('test/queue')}?continuationToken=${wrong}`), 400)).toContain('begin without it');
    }
    await refused(test.root.get(`${pathOf('test/queue')}?limit=-1`), 400);
    expect(await page(newQueue(), `?continuationToken=${token(time, 'no task')}`)).toEqual({ ids: [], token: undefined });
  });

  it('cost a page the same reads, however many there are', async () => {
    const reads = async (queue: string, count: number) => {
      await fill(queue, count);
      const { rows } = await test.database.pool.query(
        `select ${column} as time from task where task_queue_id = $1 order by ${column} offset $2`,
        [queue, count / 2],
      );
      return Math.max(await blocksRead(queue, '-infinity', ''), await blocksRead(queue, rows[0].time.toISOString(), ''));
    };
    const few = await reads(newQueue(), 1_000);
    const many = await reads(newQueue(), 50_000);
    expect(many).toBeLessThan(2 * few);
  });

  /** So many tasks of all priorities, older than what the API made. */
  async function fill(queue: string, count: number): Promise<void> {
    const rows = `from generate_series(1, ${count}) as nth`;
    const id = `${queue}/`;
    await test.database.pool.query(
      `insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires,
                         unsatisfied, state, run_id, reason_created, scheduled, started, worker_group, worker_id)
       select $1 || nth, $2, 'g', '-', 'none', nth % 7, 5, now() + interval '1 hour', now() + interval '1 day',
              0, $3, 0, 'scheduled', now() - nth * interval '10 ms', now() - nth * interval '10 ms', 'group', 'worker' ${rows}`,
      [id, queue, list === 'pending' ? 'pending' : 'running'],
    );
    await test.database.pool.query(
      `insert into task_definition (task_id, definition, size, digest, scopes, retries, expires)
       select $1 || nth, '{}', 2, '', '{}', 5, now() + interval '1 day' ${rows}`,
      [id],
    );
  }

  async function blocksRead(queue: string, time: string, taskId: string): Promise<number> {
    const { text } = list === 'pending' ? listPending : listClaimed;
    const connection = await test.database.pool.connect();
    try {
      await connection.query('set plan_cache_mode = force_generic_plan'); // as a named statement has it, in the long run
      await connection.query(`prepare look as ${text}`);
      const literals = [queue, time, taskId, 100].map((value) => `'${value}'`).join(', ');
      const { rows } = await connection.query(`explain (analyze, buffers, format json) execute look (${literals})`);
      const plan = rows[0]['QUERY PLAN'][0].Plan;
      expect(plan['Actual Rows']).toBe(100);
      return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    } finally {
      connection.release(true);
    }
  }
});

import { jest } from '@jest/globals';
import { FleetService } from '../src/service/fleet/fleet.service.js';
import { Quarantine } from '../src/service/fleet/quarantine.js';
import { Sightings } from '../src/service/fleet/sightings.js';
import { Sql } from '../src/service/postgres/sql.js';
import { type Answer, slugid } from './support/api.js';
import { eventually } from './support/service-process.js';
import { ok, refused, Tasks, untilDone } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

let names = 0;
const fresh = (prefix: string) => `${prefix}${names++}`;
const SOON = () => new Date(Date.now() + 3_600_000).toISOString();
const PAST = '2020-01-01T00:00:00.000Z';
const workersOf = (queue: string) => `/queue/v1/provisioners/${queue.replace('/', '/worker-types/')}/workers`;
const workerAt = (queue: string, worker: string) => `${workersOf(queue)}/${worker}`;
const declareAt = (queue: string, worker: string) => `/queue/v1/provisioners/${queue.replace('/', '/worker-types/')}/${worker}`;

/** A queue that a worker polls. */
async function polled(queue = `${fresh('prov')}/type`, worker = 'group/w1'): Promise<string> {
  const [workerGroup, workerId] = worker.split('/');
  await ok(tasks.claimWork(queue, 1, { workerGroup, workerId }));
  return queue;
}

async function quarantine(queue: string, worker = 'group/w1', quarantineUntil = SOON()): Promise<Answer['body']> {
  return ok(test.root.put(workerAt(queue, worker), { quarantineUntil }));
}

describe('task queues', () => {
  it('are known from the first claimWork, by all their names', async () => {
    const queue = await polled();
    const [provisionerId, workerType] = queue.split('/');
    const about = { stability: 'experimental', description: '', expires: expect.any(String), lastDateActive: expect.any(String) };
    expect(await ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(queue)}`))).toEqual({
      provisionerId,
      workerType,
      taskQueueId: queue,
      ...about,
    });
    expect(await ok(test.root.get(`/queue/v1/provisioners/${provisionerId}`))).toEqual({ provisionerId, ...about });
    expect(await ok(test.root.get(`/queue/v1/provisioners/${provisionerId}/worker-types/type`))).toEqual({
      provisionerId,
      workerType,
      ...about,
    });
    await refused(test.root.get('/queue/v1/task-queues/no%2Fsuch'), 404);
    await refused(test.root.get('/queue/v1/provisioners/nosuch'), 404);
    await refused(test.root.get('/queue/v1/provisioners/nosuch/worker-types/type'), 404);
  });

  it('are listed page by page, provisioners too', async () => {
    const provisioner = fresh('paged');
    for (const type of ['a', 'b', 'c']) await polled(`${provisioner}/${type}`);
    const first = await ok(test.root.get(`/queue/v1/provisioners/${provisioner}/worker-types?limit=2`));
    const second = await ok(
      test.root.get(`/queue/v1/provisioners/${provisioner}/worker-types?limit=2&continuationToken=${first.continuationToken}`),
    );
    const types = [...first.workerTypes, ...second.workerTypes].map((one: { workerType: string }) => one.workerType);
    expect([types, second.continuationToken]).toEqual([['a', 'b', 'c'], undefined]);
    const { taskQueues } = await ok(test.root.get('/queue/v1/task-queues'));
    expect(taskQueues.filter((one: { provisionerId: string }) => one.provisionerId === provisioner)).toHaveLength(3);
    const seen: string[] = [];
    for (let token = '', pages = 0; pages < 50; pages++) {
      const page = await ok(test.root.get(`/queue/v1/provisioners?limit=1${token && `&continuationToken=${token}`}`));
      seen.push(...page.provisioners.map((one: { provisionerId: string }) => one.provisionerId));
      token = page.continuationToken ?? '';
      if (!token) break;
    }
    expect(seen).toEqual([...new Set(seen)].sort());
    expect(seen).toContain(provisioner);
  });
});

describe('workers', () => {
  it('are known with the last 20 runs they claimed, oldest first', async () => {
    const queue = `${fresh('prov')}/busy`;
    const taskIds = await Promise.all(Array.from({ length: 23 }, () => tasks.create({ taskQueueId: queue })));
    const order: string[] = [];
    for (const count of [3, 20]) {
      const { tasks: claims } = await ok(tasks.claimWork(queue, count, { workerGroup: 'group', workerId: 'w1' }));
      order.push(...claims.map(({ status }: { status: { taskId: string } }) => status.taskId));
    }
    expect(order.sort()).toEqual(taskIds.sort());
    const worker = await ok(test.root.get(workerAt(queue, 'group/w1')));
    expect(worker).toMatchObject({ taskQueueId: queue, workerGroup: 'group', workerId: 'w1', quarantineDetails: [] });
    expect(worker.recentTasks).toHaveLength(20);
    expect(Date.parse(worker.quarantineUntil)).toBeLessThan(Date.now());
    const { workers } = await ok(test.root.get(workersOf(queue)));
    expect(workers).toEqual([
      {
        workerGroup: 'group',
        workerId: 'w1',
        firstClaim: worker.firstClaim,
        lastDateActive: worker.lastDateActive,
        latestTask: worker.recentTasks[19],
      },
    ]);
    await refused(test.root.get(workerAt(queue, 'group/w2')), 404);
    await refused(test.root.get(workerAt('no/such', 'group/w1')), 404);
  });

  it('are known from claimTask, too', async () => {
    const taskQueueId = `${fresh('prov')}/named`;
    const taskId = await tasks.create({ taskQueueId });
    await ok(tasks.claimTask(taskId));
    expect((await ok(test.root.get(workerAt(taskQueueId, 'group/worker')))).recentTasks).toEqual([{ taskId, runId: 0 }]);
  });

  it('are listed page by page; those that expired are not, and leave no short page', async () => {
    const queue = `${fresh('prov')}/many`;
    for (const id of ['a', 'b', 'c', 'd', 'e']) await polled(queue, `group/${id}`);
    await ok(test.root.get(workersOf(queue)));
    await test.database.pool.query(
      `update worker set expires = now() - interval '1 s' where task_queue_id = $1 and worker_id in ('b', 'c')`,
      [queue],
    );
    await quarantine(queue, 'group/c');
    await test.database.pool.query(`update worker set expires = now() - interval '1 s' where task_queue_id = $1 and worker_id = 'c'`, [
      queue,
    ]);
    const list = async (query: string) => ok(test.root.get(`${workersOf(queue)}${query}`));
    const ids = ({ workers }: { workers: { workerId: string }[] }) => workers.map(({ workerId }) => workerId);
    const first = await list('?limit=2');
    expect(ids(first)).toEqual(['a', 'c']);
    const second = await list(`?limit=2&continuationToken=${first.continuationToken}`);
    expect([ids(second), second.continuationToken]).toEqual([['d', 'e'], undefined]);
    expect(ids(await list('?quarantined=true'))).toEqual(['c']);
    expect(ids(await list('?quarantined=false'))).toEqual(['a', 'd', 'e']);
    await refused(test.root.get(`${workersOf(queue)}?quarantined=maybe`), 400);
    await refused(test.root.get(workerAt(queue, 'group/b')), 404);
    await ok(test.root.get(workerAt(queue, 'group/c')));
  });

  it('can be declared before they claim; a later expiry is kept', async () => {
    const queue = `${fresh('prov')}/declared`;
    const [late, soon] = [new Date(Date.now() + 10 * 86_400_000).toISOString(), SOON()];
    expect((await ok(test.root.put(declareAt(queue, 'group/new'), { expires: late }))).expires).toBe(late);
    expect((await ok(test.root.put(declareAt(queue, 'group/new'), { expires: soon }))).expires).toBe(late);
    expect((await ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(queue)}`))).expires).toBe(late);
    await refused(test.root.put(declareAt(queue, 'group/new'), { expires: 'soon' }), 400);
    await refused(test.root.put(declareAt(queue, 'group/new'), { capacity: 3 }), 400);
  });

  it('are noted up to ten thousand at a time while writing hangs; the others when they are seen again', async () => {
    const queue = `${fresh('prov')}/type`;
    const sightings = test.service.app.get(Sightings);
    const run = { taskId: slugid(), runId: 0 };
    const saw = (n: number) => sightings.saw(queue, { workerGroup: 'group', workerId: `w${n}` }, []);
    const written = async () => {
      await sightings.flush();
      const { rows } = await test.database.pool.query('select count(*)::integer as workers from worker where task_queue_id = $1', [queue]);
      return rows[0].workers;
    };
    const holder = await test.database.pool.connect();
    try {
      await holder.query('begin; lock table task_queue in access exclusive mode');
      saw(0);
      const hanging = sightings.flush();
      const locked = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await eventually('writing hangs', async () => (await test.database.pool.query(locked)).rowCount === 1);
      for (let n = 1; n < 12_000; n++) saw(n);
      sightings.saw(queue, { workerGroup: 'group', workerId: 'w1' }, [run]); // it is noted already
      await holder.query('rollback');
      await hanging;
    } finally {
      holder.release();
    }
    expect(await written()).toBe(10_001);
    const worker = await ok(test.root.get(workerAt(queue, 'group/w1')));
    expect(worker.recentTasks).toEqual([run]);
    saw(11_999);
    expect(await written()).toBe(10_002);
  });

  it('so many may be quarantined, and no more: each process keeps them in memory', async () => {
    const many = `test/many-${slugid().toLowerCase().replace(/[-_]/g, 'x')}`;
    const queue = await polled(undefined, 'group/a');
    await polled(queue, 'group/b');
    await quarantine(queue, 'group/a');
    await test.database.pool.query(
      `insert into worker (task_queue_id, worker_group, worker_id, expires, quarantine_until)
       select $1, 'group', 'w' || nth, now() + interval '1 day', now() + interval '1 day' from generate_series(1, 10000) as nth`,
      [many],
    );
    const message = await refused(test.root.put(workerAt(queue, 'group/b'), { quarantineUntil: SOON() }), 409);
    expect(message).toContain('10000 workers are quarantined already');
    await refused(test.root.put(workerAt(queue, 'group/nobody'), { quarantineUntil: SOON() }), 404);
    await quarantine(queue, 'group/a', SOON()); // which is one of them
    await quarantine(queue, 'group/b', new Date(0).toISOString()); // no more of them
    await test.database.pool.query('delete from worker where task_queue_id = $1', [many]);
    await quarantine(queue, 'group/b');
  });

  it('are forgotten half an hour after they expired, unless quarantined', async () => {
    const queue = `${fresh('prov')}/forgotten`;
    for (const id of ['gone', 'held']) await polled(queue, `group/${id}`);
    await quarantine(queue, 'group/held');
    for (const table of ['worker', 'task_queue']) {
      await test.database.pool.query(`update ${table} set expires = now() - interval '31 minutes' where task_queue_id = $1`, [queue]);
    }
    await test.service.app.get(FleetService).forget();
    const { rows } = await test.database.pool.query('select worker_id from worker where task_queue_id = $1', [queue]);
    expect(rows).toEqual([{ worker_id: 'held' }]);
    await refused(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(queue)}`), 404);
  });
});

describe('forgetting', () => {
  it('is done in small batches, and waits for nobody', async () => {
    const fleet = test.service.app.get(FleetService);
    await untilDone(() => fleet.forget());
    const queue = `${fresh('prov')}/batches`;
    await test.database.pool.query(
      `insert into worker (task_queue_id, worker_group, worker_id, expires)
       select $1, 'group', 'w' || nth, now() - interval '1 day' from generate_series(1, 450) as nth`,
      [queue],
    );
    await test.database.pool.query(
      `insert into task_queue (task_queue_id, expires)
       select 'batches/q' || nth, now() - interval '1 day' from generate_series(1, 250) as nth`,
    );
    const busy = await test.database.pool.connect();
    try {
      await busy.query('begin');
      await busy.query(`select from worker where task_queue_id = $1 and worker_id = 'w7' for update`, [queue]);
      const counts = async () =>
        (
          await test.database.pool.query(
            `select (select count(*)::integer from worker where task_queue_id = $1) as workers,
                    (select count(*)::integer from task_queue where task_queue_id like 'batches/%') as queues`,
            [queue],
          )
        ).rows[0];
      expect(await fleet.forget()).toBe('more');
      expect(await counts()).toEqual({ workers: 250, queues: 50 });
      expect(await fleet.forget()).toBe('more');
      expect(await counts()).toEqual({ workers: 50, queues: 0 });
      expect(await fleet.forget()).toBe('done');
      expect(await counts()).toEqual({ workers: 1, queues: 0 });
    } finally {
      await busy.query('rollback');
      busy.release();
    }
    expect(await fleet.forget()).toBe('done');
    await refused(test.root.get(workerAt(queue, 'group/w7')), 404);
  });
});

describe('quarantine', () => {
  it('keeps a worker from new work, and tells by whom, when and why', async () => {
    const queue = await polled();
    await tasks.create({ taskQueueId: queue });
    const until = SOON();
    const worker = await ok(test.root.put(workerAt(queue, 'group/w1'), { quarantineUntil: until, quarantineInfo: 'smoke' }));
    expect(worker.quarantineUntil).toBe(until);
    expect(worker.quarantineDetails).toEqual([
      { clientId: 'static/root', updatedAt: expect.any(String), quarantineUntil: until, quarantineInfo: 'smoke' },
    ]);
    const name = { workerGroup: 'group', workerId: 'w1' };
    expect(await ok(tasks.claimWork(queue, 1, name))).toEqual({ tasks: [] });
    expect((await ok(test.root.get(workersOf(queue)))).workers[0].quarantineUntil).toBe(until);
    const other = await ok(tasks.claimWork(queue, 1, { workerGroup: 'group', workerId: 'w2' }));
    expect(other.tasks).toHaveLength(1);
  });

  it('by somebody without credentials, where they may, names nobody', async () => {
    const queue = await polled();
    await test.role('anonymous', `queue:quarantine-worker:${queue}/*`);
    const { quarantineDetails } = await ok(test.root.as().put(workerAt(queue, 'group/w1'), { quarantineUntil: SOON() }));
    expect(quarantineDetails).toMatchObject([{ clientId: '' }]);
    expect(await ok(test.root.get(workerAt(queue, 'group/w1')))).toMatchObject({ quarantineDetails });
    await test.root.delete('/auth/v1/roles/anonymous');
  });

  it('answers claimTask with a conflict that says so', async () => {
    const queue = await polled();
    await quarantine(queue);
    const taskId = await tasks.create({ taskQueueId: queue });
    expect(await refused(tasks.claimTask(taskId, 0, { workerGroup: 'group', workerId: 'w1' }), 409)).toContain('quarantined');
  });

  it('is not undone by a look that began before it and is answered after it', async () => {
    const queue = await polled();
    await tasks.create({ taskQueueId: queue });
    const sql = test.service.app.get(Sql);
    const query = sql.query.bind(sql);
    let answer = (): void => undefined;
    const later = new Promise<void>((done) => {
      answer = done;
    });
    const spy = jest.spyOn(sql, 'query');
    const looked = new Promise<void>((done) => {
      spy.mockImplementationOnce(async (...asked) => {
        const rows = await query(...asked);
        done();
        await later;
        return rows as never;
      });
    });
    const older = test.service.app.get(Quarantine).refresh();
    await looked;
    spy.mockRestore();
    const newer = jest.spyOn(test.service.app.get(Quarantine), 'refresh');
    await quarantine(queue);
    await eventually('the request and its notification look', () => newer.mock.calls.length >= 2);
    await Promise.all(newer.mock.results.map(({ value }) => value));
    newer.mockRestore();
    answer();
    await older;
    expect((await ok(tasks.claimWork(queue, 1, { workerGroup: 'group', workerId: 'w1' }))).tasks).toEqual([]);
  });

  it('ends when it is set to the past, and is remembered', async () => {
    const queue = await polled();
    await quarantine(queue);
    const worker = await quarantine(queue, 'group/w1', PAST);
    expect(worker.quarantineDetails.map((event: { quarantineUntil: string }) => event.quarantineUntil)).toEqual([expect.any(String), PAST]);
    await tasks.create({ taskQueueId: queue });
    expect((await ok(tasks.claimWork(queue, 1, { workerGroup: 'group', workerId: 'w1' }))).tasks).toHaveLength(1);
  });

  it('lets a worker finish what it runs', async () => {
    const queue = await polled();
    const taskId = await tasks.create({ taskQueueId: queue });
    const { tasks: claims } = await ok(tasks.claimWork(queue, 1, { workerGroup: 'group', workerId: 'w1' }));
    await quarantine(queue);
    const run = test.root.as(claims[0].credentials);
    await ok(run.post(`/queue/v1/task/${taskId}/runs/0/reclaim`));
    await ok(run.post(`/queue/v1/task/${taskId}/runs/0/completed`));
  });

  it('reaches a worker that is waiting, and does not keep the others waiting; another replica hears of it', async () => {
    const replica = await test.replica({ claimPoll: 5 });
    try {
      const queue = await polled();
      const path = `/queue/v1/claim-work/${encodeURIComponent(queue)}`;
      await tasks.create({ taskQueueId: queue });
      await ok(replica.root.post(path, { workerGroup: 'group', workerId: 'w0', tasks: 1 })); // its first claim opens connections
      const [held, free] = ['w1', 'w2'].map((workerId) => replica.root.post(path, { workerGroup: 'group', workerId, tasks: 1 }));
      await quarantine(queue);
      const { Quarantine } = await import('../src/service/fleet/quarantine.js');
      const known = () => replica.service.app.get(Quarantine).holds(queue, { workerGroup: 'group', workerId: 'w1' });
      for (let tries = 0; !known() && tries < 300; tries++) await new Promise((done) => setTimeout(done, 10));
      expect(known()).toBe(true);
      const [one, two] = [await tasks.create({ taskQueueId: queue }), await tasks.create({ taskQueueId: queue })];
      const claimed = (await ok(free!)).tasks[0].status.taskId;
      expect([one, two]).toContain(claimed);
      expect((await ok(held!)).tasks).toEqual([]);
      const left = claimed === one ? two : one;
      expect(await tasks.state(left)).toBe('pending');
    } finally {
      await replica.close();
    }
  });

  it('is refused for workers nobody saw, and without a time', async () => {
    const queue = await polled();
    await refused(test.root.put(workerAt(queue, 'group/unseen'), { quarantineUntil: SOON() }), 404);
    for (const body of [{}, { quarantineUntil: 'later' }, { quarantineUntil: SOON(), quarantineInfo: 'x'.repeat(4001) }]) {
      await refused(test.root.put(workerAt(queue, 'group/w1'), body), 400);
    }
  });
});

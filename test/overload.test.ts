import type pg from 'pg';
import { Sql, statement } from '../src/service/postgres/sql.js';
import { type Answer, definition, slugid } from './support/api.js';
import { eventually } from './support/service-process.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/** More to do than one process can hold: who is too much is told so at once, and what else there is to do goes on. */

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ claimPoll: 5, sweepInterval: 600 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const times = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n));

function expectRefusal({ status, body, headers }: Answer, says: RegExp): void {
  const message = expect.stringMatching(says);
  expect({ status, code: body.code, message: body.message }).toEqual({ status: 503, code: 'ServiceUnavailable', message });
  expect(headers['retry-after']).toMatch(/^[1-5]$/);
}

/** Does something while another transaction holds locks, and lets go of them. */
async function whileLocked<T>(lock: string, work: (release: () => Promise<unknown>) => Promise<T>): Promise<T> {
  const holder: pg.PoolClient = await test.database.pool.connect();
  try {
    await holder.query(`begin; ${lock}`);
    return await work(() => holder.query('rollback'));
  } finally {
    await holder.query('rollback');
    holder.release();
  }
}

/** Waits until so many of the service's statements wait for locks. */
function lockedOut(count: number): Promise<void> {
  return eventually(`${count} statements wait for a lock`, async () => {
    const { rows } = await test.database.pool.query(
      `select count(*)::integer as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and application_name = 'leasehold'`,
    );
    return rows[0].waiting === count;
  });
}

/** Calls three times too often: so many calls are refused while the others wait. Answers those. */
async function refusedBeyond(most: number, call: () => Promise<Answer>, says: RegExp): Promise<Promise<Answer>[]> {
  const refused = new Map<number, Answer>();
  const calls = times(most + 3, call);
  for (const [n, one] of calls.entries()) one.then((answer) => refused.set(n, answer));
  await eventually('three are refused', () => refused.size === 3);
  await lockedOut(4);
  const beyond = new Set(refused.keys()); // of the others some will be answered later
  for (const answer of refused.values()) expectRefusal(answer, says);
  return calls.filter((_, n) => !beyond.has(n));
}

it('four lists of tasks are read at once, others wait, and who would wait behind too many is refused', async () => {
  const path = '/queue/v1/task-queues/some%2Fqueue/pending';
  const [reader, other] = await Promise.all(times(2, () => test.client('queue:pending-list:*')));
  const taskId = await tasks.create();
  await whileLocked('lock table task_definition in access exclusive mode', async (release) => {
    const served = await refusedBeyond(4 + 32, () => reader!.get(path), /More than 32 lists of tasks that wait of one client/);
    served.push(other!.get(path)); // those of one client do not take the place of the others
    expect(await tasks.state(taskId)).toBe('pending'); // who reads no list is served
    await lockedOut(4);
    await release();
    for (const { status } of await Promise.all(served)) expect(status).toBe(200);
  });
});

it('four batches of tasks are stored at once, and claims go on; who would wait behind too many is refused', async () => {
  const batch = () => ({ tasks: [{ taskId: slugid(), task: definition({ taskQueueId: 'overload/batches' }) }] });
  const create = () => test.root.post('/queue/v1/tasks/create', batch());
  const taskQueueId = 'overload/claims';
  const ready = await Promise.all(times(3, () => tasks.create({ taskQueueId })));
  await whileLocked('lock table task_definition in exclusive mode', async (release) => {
    const served = await refusedBeyond(4 + 12, create, /More than 12 batches of tasks that wait of one client/);
    const claimed = await ok(tasks.claimWork(taskQueueId, 3));
    expect(claimed.tasks.map(({ status }: { status: { taskId: string } }) => status.taskId).sort()).toEqual(ready.sort());
    await lockedOut(4);
    await release();
    for (const { status } of await Promise.all(served)) expect(status).toBe(200);
  });
});

it('two thousand statements wait for a connection, the next is refused at once', async () => {
  const locked = statement('test-locked', 'select pg_advisory_xact_lock_shared(4711)');
  const sql = test.service.app.get(Sql);
  await whileLocked('select pg_advisory_xact_lock(4711)', async (release) => {
    const waiting = times(16, () => sql.query(locked));
    await lockedOut(16);
    waiting.push(...times(2_000, () => sql.query(locked)));
    for (const answer of await Promise.all(times(30, () => test.root.get(`/queue/v1/task/${slugid()}/status`)))) {
      expectRefusal(answer, /The database cannot be asked at the moment/);
    }
    await release();
    await Promise.all(waiting);
  });
  expect(await test.root.get(`/queue/v1/task/${slugid()}/status`)).toMatchObject({ status: 404 });
});

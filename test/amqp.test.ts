import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { jest } from '@jest/globals';
import { EventHistory } from '../src/service/events/event-history.js';
import { PUBLISHED_KINDS } from '../src/service/events/event-message.js';
import { Logger } from '../src/service/http/logger.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { AmqpConsumer, isOf } from './support/amqp-consumer.js';
import { slugid } from './support/api.js';
import { Creator } from './support/creator.js';
import { EventReader } from './support/event-reader.js';
import { RabbitMq } from './support/rabbitmq.js';
import { eventually, freePort, onDatabase, ServiceProcess } from './support/service-process.js';
import { ok, Tasks, untilDone, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService; // it has no AMQP_URL; replicas of it have
let tasks: Tasks;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, signatureAudience: 'amqp' });
  tasks = new Tasks(test.root, test.database);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => test.close());

async function publisher(amqpUrl: string) {
  const replica = await test.replica({ amqpUrl, sweepInterval: 600 });
  cleanups.push(() => replica.close());
  const warn = jest.spyOn(replica.service.app.get(Logger), 'warn');
  const error = jest.spyOn(replica.service.app.get(Logger), 'error');
  cleanups.push(() => [warn, error].map((spy) => spy.mockRestore()));
  return { ...replica, warn, error };
}

/** What a service of its own prints until it has printed `until`, works, and is stopped. */
async function outputOf(amqpUrl: string, until: string): Promise<string> {
  const service = new ServiceProcess({ ...onDatabase(test.database.url), AMQP_URL: amqpUrl });
  cleanups.push(() => service[Symbol.asyncDispose]());
  await service.ready();
  await eventually(`the log has ${until}`, () => service.output.includes(until));
  await new Tasks(service.root, test.database).create();
  expect(await millisecondsOf(() => service.stop())).toBeLessThan(5_000);
  return service.output;
}

/** It takes calls and says nothing, until it hangs up on all of them, and takes no more. */
async function silentServer(): Promise<{ port: number; hangUp: () => void }> {
  const calls = new Set<Socket>();
  const server = createServer((call) => calls.add(call.on('error', () => undefined))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const hangUp = () => {
    server.close();
    for (const call of calls) call.destroy();
  };
  cleanups.push(hangUp);
  return { port: (server.address() as AddressInfo).port, hangUp };
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const sweep = () => test.service.app.get(SweepService).sweep();

/** An event as no statement of ours would write it, or not yet. */
async function insertEvent(columns: Record<string, unknown>): Promise<string> {
  const taskId = slugid();
  const row: Record<string, unknown> = {
    ...{ kind: 'artifact-created', task_id: taskId, task_queue_id: 'p/q', task_group_id: taskId, scheduler_id: '-', rank: 6 },
    ...{ deadline: new Date(), expires: new Date(), retries_left: 0, state: 'running', run_id: 0, worker_group: 'wg', worker_id: 'w' },
    ...columns,
  };
  const places = Object.keys(row).map((_, index) => `$${index + 1}`);
  await test.database.pool.query(`insert into event (${Object.keys(row).join(', ')}) values (${places.join(', ')})`, Object.values(row));
  return taskId;
}

describe('without a broker', () => {
  it('the service starts, works, and stops soon, whether nobody listens there or somebody who says nothing', async () => {
    for (const port of [await freePort(), (await silentServer()).port]) {
      let replica: Awaited<ReturnType<typeof publisher>> | undefined;
      const starting = async () => {
        replica = await publisher(`amqp://127.0.0.1:${port}`);
      };
      expect(await millisecondsOf(starting)).toBeLessThan(5_000);
      await ok(replica?.root.get('/queue/v1/ping') as never);
      expect(await millisecondsOf(() => replica?.close() as Promise<void>)).toBeLessThan(5_000);
    }
  });

  it('what was not sent is kept while AMQP_URL is set, however old; what was deleted since is said to be lost', async () => {
    const { port, hangUp } = await silentServer(); // or the first try would fail before anybody listens to the log
    const amqpUrl = `amqp://127.0.0.1:${port}`;
    const { service, warn } = await publisher(amqpUrl);
    hangUp();
    const taskId = await tasks.create();
    await sweep();
    await test.database.pool.query(`update event set at = now() - interval '2 days'`);
    const left = async () => (await test.database.pool.query('select from event where task_id = $1', [taskId])).rowCount;
    const forgetAs = ({ app }: typeof service) => untilDone(() => app.get(EventHistory).forget());
    await forgetAs(service);
    expect(await left()).toBe(2);
    await eventually('it is said that nobody answers', () => warn.mock.calls.length > 0);
    await new Promise((done) => setTimeout(done, 1_500)); // two more tries, of which nothing is said
    expect(warn.mock.calls.map(([, message]) => message)).toEqual(['AMQP: events cannot be sent now; they are kept, and sent later']);
    await forgetAs(test.service);
    expect(await left()).toBe(0);
    expect(await outputOf(amqpUrl, 'cannot be sent now')).toMatch(/"level":"warn".*AMQP: events were deleted before they could be sent/);
    await test.database.pool.query(`delete from event_reader where name = 'amqp'`); // as if it had never been set
  });
});

if (!RabbitMq.isInstalled) console.warn('SKIPPED: publishing to RabbitMQ is not tested; apt-get install rabbitmq-server');

(RabbitMq.isInstalled ? describe : describe.skip)('with RabbitMQ', () => {
  let rabbit: RabbitMq;
  let everything: AmqpConsumer;
  let formerly: string;

  beforeAll(async () => {
    rabbit = await RabbitMq.start();
    everything = await new AmqpConsumer(rabbit.url, 'everything', '#').open();
    formerly = await tasks.create(); // before there was an AMQP_URL
  }, 90_000);
  afterAll(async () => {
    await everything?.close();
    await rabbit?.[Symbol.asyncDispose]();
  });

  const listener = async (name: string, pattern: string) => {
    const consumer = await new AmqpConsumer(rabbit.url, name, pattern).open();
    cleanups.push(() => consumer.close());
    return consumer;
  };
  /** As who follows by HTTP gets them. */
  const follow = async (taskGroupId: string) => {
    const reader = await EventReader.open(test.root, { taskGroupId });
    cleanups.push(() => reader.close());
    return reader;
  };

  it('each kind is sent once, where strangers look for it, and says what the streams say', async () => {
    await publisher(rabbit.url);
    const [taskGroupId, taskId, late, unborn] = [slugid(), slugid(), slugid(), slugid()];
    const reader = await follow(taskGroupId);
    const byTask = await listener('by-task', `primary.${taskId}.#`);
    const byRoute = await listener('by-route', 'route.index.some.*.thing');
    const byWorker = await listener('by-worker', `primary.*.*.${WORKER.workerGroup}.${WORKER.workerId}.test.queue.*.${taskGroupId}.#`);
    const routes = ['index.some.new.thing', 'notify.email'];
    await tasks.create({ taskGroupId, schedulerId: 'sched', routes, tags: { kind: 'ä' }, priority: 'low' }, taskId);
    await ok(test.root.post(`/queue/v1/task/${taskId}/priority`, { newPriority: 'high' }));
    await tasks.run('worker-shutdown', taskId);
    await ok(tasks.claimTask(taskId, 1));
    const artifact = { storageType: 'reference', url: 'https://example.com/x', contentType: 'text/plain', expires: inAnHour() };
    await ok(test.root.post(`/queue/v1/task/${taskId}/runs/1/artifacts/public%2Flive.log`, artifact));
    await ok(tasks.report('completed', taskId, 1));
    const { body, jws } = await new Creator('amqp').signed({ taskGroupId, schedulerId: 'sched' }, { taskId: late });
    await ok(tasks.put(late, { ...body, signature: jws }));
    await ok(test.root.post(`/queue/v1/task-group/${taskGroupId}/priority`, { newPriority: 'highest' }));
    await tasks.run('failed', late);
    await tasks.create({ taskGroupId, schedulerId: 'sched', dependencies: [unborn] }, unborn);
    await ok(tasks.steer('cancel', unborn));
    await ok(test.root.post(`/queue/v1/task-group/${taskGroupId}/seal`));
    await sweep();
    const told = await reader.next(19);
    const sent = await everything.next(told.length, ({ key }) => key.includes(taskGroupId));
    expect(sent.map(({ kind, payload }) => [kind, payload])).toEqual(told.map(({ kind, data }) => [kind, data]));
    const ofLate = sent.filter(isOf(late)).map(({ payload }) => payload.status.signature);
    expect(ofLate).toEqual(Array(5).fill({ verdict: 'unchecked', kid: 'creator', payloadDigest: expect.any(String) }));
    expect(new Set(sent.map(({ kind }) => kind))).toEqual(new Set(PUBLISHED_KINDS));
    const rest = `test.queue.sched.${taskGroupId}._`;
    expect(sent.filter(isOf(taskId)).map(({ kind, key }) => [kind, key])).toEqual([
      ['task-defined', `primary.${taskId}._._._.${rest}`],
      ['task-pending', `primary.${taskId}.0._._.${rest}`],
      ['task-priority-changed', `primary.${taskId}._._._.${rest}`],
      ['task-running', `primary.${taskId}.0.group.worker.${rest}`],
      ['task-exception', `primary.${taskId}.0.group.worker.${rest}`],
      ['task-pending', `primary.${taskId}.1._._.${rest}`],
      ['task-running', `primary.${taskId}.1.group.worker.${rest}`],
      ['artifact-created', `primary.${taskId}.1.group.worker.${rest}`],
      ['task-completed', `primary.${taskId}.1.group.worker.${rest}`],
    ]);
    expect(sent.filter(isOf(unborn)).map(({ key }) => key)).toEqual(['_', '0'].map((run) => `primary.${unborn}.${run}._._.${rest}`));
    expect(sent.filter(isOf(taskGroupId)).map(({ kind, key }) => [kind, key])).toEqual(
      ['priority-changed', 'sealed', 'resolved'].map((what) => [`task-group-${what}`, `primary.${taskGroupId}.sched._`]),
    );
    for (const { payload, properties } of sent) {
      expect(properties).toMatchObject({ contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2 });
      expect(properties.headers).toEqual({ CC: payload.status?.taskId === taskId ? routes.map((route) => `route.${route}`) : [] });
    }
    expect((await byTask.next(9)).map(({ text }) => text)).toEqual(sent.filter(isOf(taskId)).map(({ text }) => text));
    expect((await byRoute.next(9)).map(({ text }) => text)).toEqual(sent.filter(isOf(taskId)).map(({ text }) => text));
    expect((await byWorker.next(7)).map(({ kind }) => kind.replace('task-', '')).join()).toBe(
      'running,exception,running,artifact-created,completed,running,failed',
    );
    expect(everything.messages.filter(isOf(formerly))).toEqual([]); // the first start begins then, not with the history
    expect(everything.messages).toHaveLength(sent.length);
  });

  it('two replicas send nothing twice; when the one stops, the other goes on', async () => {
    const first = await publisher(rabbit.url);
    await publisher(rabbit.url);
    const create = () => Promise.all(Array.from({ length: 20 }, () => tasks.create()));
    const before = await create();
    await everything.next(40, isOf(...before));
    const during = create();
    await first.close();
    const after = [...(await during), ...(await create())];
    expect(await everything.next(80, isOf(...after))).toHaveLength(80);
    const marker = await tasks.create();
    await everything.next(2, isOf(marker));
    expect(everything.messages.filter(isOf(...before, ...after))).toHaveLength(120);
  });

  it('a replica that loses its database connection, and the lock with it, is followed by another', async () => {
    await publisher(rabbit.url);
    await everything.next(2, isOf(await tasks.create()));
    await publisher(rabbit.url);
    const { rowCount } = await test.database.pool.query(
      `select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`,
    );
    expect(rowCount).toBe(1);
    await everything.next(2, isOf(await tasks.create()));
  });

  it('a message that the broker refuses, or that is of a kind unknown here, is left out, and does not hold up the others', async () => {
    const { error } = await publisher(rabbit.url);
    const route = 'ü'.repeat(249); // more bytes than a routing key may have
    const routes = [route, ...Array.from({ length: 63 }, (_, index) => `${index}.${'長'.repeat(240)}`)];
    const wide = await tasks.create({ routes });
    const blob = 'x'.repeat(RabbitMq.MOST_BYTES);
    const unknown = await insertEvent({ kind: 'task-dreamt' });
    const large = await insertEvent({ detail: JSON.stringify({ runId: 0, artifact: { blob } }) });
    const after = await tasks.create();
    await everything.next(2, isOf(after), 25_000);
    const [defined] = await everything.next(2, isOf(wide));
    expect(defined?.properties.headers).toEqual({ CC: routes.map((one) => `route.${one}`) });
    const said = error.mock.calls.map(([entry, message]) => [(entry as { taskId: string }).taskId, message]);
    expect(said).toContainEqual([unknown, 'AMQP: this event has no message; it is left out']);
    expect(said.filter(([taskId]) => taskId === large)).toEqual([[large, 'AMQP: the broker refuses this event; it is left out']]);
    expect(everything.messages.filter(isOf(unknown, large))).toEqual([]);
  });

  it('a broker that hangs holds up neither those who follow nor the stop', async () => {
    const replica = await publisher(rabbit.url);
    const taskGroupId = slugid();
    await everything.next(2, isOf(await tasks.create()));
    const reader = await follow(taskGroupId);
    rabbit.signal('SIGSTOP');
    try {
      await tasks.create({ taskGroupId });
      await reader.next(2);
      await new Promise((done) => setTimeout(done, 500)); // the batch is under way by now
      const later = await tasks.create({ taskGroupId });
      await reader.next(4);
      expect(await millisecondsOf(() => replica.close())).toBeLessThan(5_000);
      rabbit.signal('SIGCONT');
      await publisher(rabbit.url);
      await everything.next(2, isOf(later));
    } finally {
      rabbit.signal('SIGCONT');
    }
  });

  it('a wrong password stops nothing, and is not shown', async () => {
    const secret = `canary-${slugid()}`;
    const output = await outputOf(rabbit.urlFor('guest', secret), 'cannot be sent now');
    expect(output).toMatch(/"level":"warn".*ACCESS_REFUSED/);
    for (const text of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) expect(output).not.toContain(text);
  });

  it('a broker that is killed in the middle of it all, and comes back, gets everything; what it has confirmed, it keeps', async () => {
    const { warn } = await publisher(rabbit.url);
    await publisher(rabbit.url);
    const created: string[] = [];
    const create = async (count: number) => {
      for (let nth = 0; nth < count; nth++) created.push(await tasks.create({ taskGroupId: slugid() }));
    };
    const storm = Promise.all([create(60), create(60), create(60)]);
    await everything.next(20, ({ payload }) => created.includes(payload.status?.taskId));
    await rabbit.kill();
    await storm;
    await eventually('it is said', () => warn.mock.calls.length > 0);
    await rabbit.start();
    await everything.open();
    const has = (kind: string) =>
      new Set(everything.messages.filter((one) => one.kind === kind).map(({ payload }) => payload.status.taskId));
    const all = () => ['task-defined', 'task-pending'].every((kind) => created.every((taskId) => has(kind).has(taskId)));
    await eventually('everything is there', all, 30_000, 200);
    for (const taskId of created) expect(everything.messages.find(isOf(taskId))?.kind).toBe('task-defined');
  }, 120_000);
});

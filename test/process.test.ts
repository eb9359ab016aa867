import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import taskcluster from 'taskcluster-client';
import { createLeaseholdClient } from '../src/client/client.js';
import { startEmbeddedPostgres } from '../src/service/postgres/embedded-postgres.js';
import { Api, definition, slugid } from './support/api.js';
import { createDatabase } from './support/database.js';
import {
  eventually,
  freePort,
  isAlive,
  newDataDir,
  onDatabase,
  readCredentials,
  removeDataDir,
  ServiceProcess,
} from './support/service-process.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function start(environment: Record<string, string>): ServiceProcess {
  const service = new ServiceProcess(environment);
  cleanups.push(() => service[Symbol.asyncDispose]());
  return service;
}

function dataDirectory(): string {
  const directory = newDataDir();
  cleanups.push(() => removeDataDir(directory));
  return directory;
}

const postmasterOf = (dataDir: string) => Number(readFileSync(path.join(dataDir, 'pg18/postmaster.pid'), 'utf8').split('\n')[0]);
const rootOf = ({ url }: ServiceProcess, dataDir: string) =>
  new Api(url, readCredentials(path.join(dataDir, 'credentials.env')).credentials);
const workerOn = (taskQueueId: string) => ({ path: `/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}` });

describe('first start', () => {
  it('is ready within 10 s, says what one needs to know, and keeps its data for the second start', async () => {
    const dataDir = dataDirectory();
    const began = performance.now();
    const first = await start({ DATA_DIR: dataDir }).ready();
    expect(performance.now() - began).toBeLessThan(10_000);
    const file = path.join(dataDir, 'credentials.env');
    const { rootUrl, credentials } = readCredentials(file);
    expect(rootUrl).toBe(first.url.replace('127.0.0.1', 'localhost'));
    expect(first.output).toContain(`Leasehold is ready at ${rootUrl}\n`);
    expect(first.output).toMatch(new RegExp(`^ {2}Data +${dataDir}$`, 'm'));
    expect(first.output).toMatch(new RegExp(`^ {2}Credentials +${file} `, 'm'));
    expect(first.output).toContain(`  Next, in another terminal:\n    . '${file}'\n    npm run demo\n`);
    expect(first.output).toMatch(/^ {2}Anonymous +.*may read tasks and their payloads; ANONYMOUS_SCOPES='\[\]' ends that$/m);
    expect(first.output).not.toContain(credentials.accessToken);
    expect([file, path.join(dataDir, 'master.key')].map((name) => statSync(name).mode & 0o777)).toEqual([0o600, 0o600]);

    const queue = new taskcluster.Queue({ rootUrl, credentials });
    const taskId = taskcluster.slugid();
    const task = { ...definition(), created: taskcluster.fromNowJSON('0 s'), deadline: taskcluster.fromNowJSON('1 hour') };
    const { status } = await queue.createTask(taskId, task);
    expect(status.state).toBe('pending');
    const postmaster = postmasterOf(dataDir);
    expect(isAlive(postmaster)).toBe(true);
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    expect(isAlive(postmaster)).toBe(false);

    const second = await start({ DATA_DIR: dataDir }).ready();
    expect(readCredentials(file).credentials).toEqual(credentials);
    expect((await rootOf(second, dataDir).get(`/queue/v1/task/${taskId}/status`)).body.status).toEqual(status);
  });

  it('tells clients the root URL it is told', async () => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    const dataDir = dataDirectory();
    const rootUrl = 'https://tasks.example.com/';
    const service = await start({ DATA_DIR: dataDir, DATABASE_URL: url, ROOT_URL: rootUrl, ANONYMOUS_SCOPES: '[]' }).ready();
    expect(service.output).toContain('Leasehold is ready at https://tasks.example.com\n');
    expect(service.output).toContain('in the database of DATABASE_URL');
    expect(service.output).not.toContain('Anonymous');
    expect(readCredentials(path.join(dataDir, 'credentials.env')).rootUrl).toBe('https://tasks.example.com');
    expect(existsSync(path.join(dataDir, 'pg18'))).toBe(false);
  });
});

describe('kill -9 in the middle of everything', () => {
  const QUEUE = 'storm/queue';
  const STORM_MS = 1_500;

  interface Storm {
    created: Set<string>;
    completed: Map<string, string>;
    /** `taskId/runId` of every lease that a worker was told of, and who that was. */
    leases: Map<string, string>;
    twice: string[];
    over: boolean;
  }

  async function create(api: Api, storm: Storm): Promise<void> {
    while (!storm.over) {
      const taskId = slugid();
      const { status } = await api.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId: QUEUE }));
      if (status === 200) storm.created.add(taskId);
    }
  }

  /** Claims for ever and reports what `finishes` chooses; the rest stays held until its lease lapses. */
  async function work(api: Api, storm: Storm, workerId: string, finishes: () => boolean): Promise<void> {
    while (!storm.over) {
      const { body } = await api.post(workerOn(QUEUE).path, { tasks: 2, workerGroup: 'storm', workerId });
      for (const { status, runId, credentials } of body.tasks ?? []) {
        const lease = `${status.taskId}/${runId}`;
        if (storm.leases.has(lease)) storm.twice.push(lease);
        storm.leases.set(lease, workerId);
        if (!finishes()) continue;
        const report = await api.as(credentials).post(`/queue/v1/task/${status.taskId}/runs/${runId}/completed`);
        if (report.status === 200) storm.completed.set(status.taskId, lease);
      }
    }
  }

  it('loses nothing that was acknowledged, leases nothing twice, and lets leases lapse and be retried', async () => {
    const dataDir = dataDirectory();
    const environment = { DATA_DIR: dataDir, CLAIM_TIMEOUT: '2', SWEEP_INTERVAL: '0.3', CLAIM_POLL: '1', LOG_LEVEL: 'warn' };
    const storm: Storm = { created: new Set(), completed: new Map(), leases: new Map(), twice: [], over: false };
    const first = await start(environment).ready();
    const postmaster = postmasterOf(dataDir);
    const api = rootOf(first, dataDir);
    let turn = 0;
    const crowd = [1, 2, 3].map(() => create(api, storm));
    crowd.push(...[1, 2, 3, 4].map((n) => work(api, storm, `first-${n}`, () => turn++ % 3 > 0)));
    const settled = Promise.allSettled(crowd);
    await sleep(STORM_MS);
    first.signal('SIGKILL');
    storm.over = true;
    await settled;
    expect(await first.end()).toEqual({ code: null, signal: 'SIGKILL' });
    const held = [...storm.leases.keys()].filter((lease) => ![...storm.completed.values()].includes(lease));
    expect(Math.min(storm.created.size, storm.completed.size, held.length)).toBeGreaterThan(3);

    const second = await start(environment).ready();
    expect(isAlive(postmaster)).toBe(false);
    const again = rootOf(second, dataDir);
    const statusOf = async (taskId: string) => (await again.get(`/queue/v1/task/${taskId}/status`)).body.status;
    for (const taskId of storm.created) expect((await statusOf(taskId))?.taskId).toBe(taskId);
    for (const [taskId, lease] of storm.completed) {
      const { state, runs } = await statusOf(taskId);
      const run = runs[Number(lease.split('/')[1])];
      expect([state, run.state, run.workerId]).toEqual(['completed', 'completed', storm.leases.get(lease)]);
    }

    storm.over = false;
    const drained = [1, 2, 3].map((n) => work(again, storm, `second-${n}`, () => true));
    const open = new Set(storm.created);
    await eventually(
      'every task is completed',
      async () => {
        for (const taskId of open) if ((await statusOf(taskId)).state === 'completed') open.delete(taskId);
        return open.size === 0;
      },
      20_000,
      200,
    );
    storm.over = true;
    await Promise.all(drained);
    expect(storm.twice).toEqual([]);
    for (const lease of held) {
      const [taskId = '', runId] = lease.split('/');
      const { runs } = await statusOf(taskId);
      const run = runs[Number(runId)];
      expect(run.workerId).toBe(storm.leases.get(lease));
      if (run.state === 'completed') continue; // its report had arrived, only the answer had not left
      expect([run.state, run.reasonResolved]).toEqual(['exception', 'claim-expired']);
      expect(runs[Number(runId) + 1].reasonCreated).toBe('retry');
    }
  });

  it('leaves no Postgres behind when nobody starts again', async () => {
    const dataDir = dataDirectory();
    const service = await start({ DATA_DIR: dataDir }).ready();
    const postmaster = postmasterOf(dataDir);
    await service.stop('SIGKILL');
    await eventually('Postgres has ended', () => !isAlive(postmaster));
  });
});

describe('SIGTERM', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s answers long polls, and ends with 0 within 5 s', async (signal) => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    const service = await start(onDatabase(url)).ready();
    const poll = service.root.post(workerOn('idle/queue').path, { tasks: 1, workerGroup: 'g', workerId: 'w' });
    await sleep(300);
    const began = performance.now();
    expect(await service.stop(signal)).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await poll).toMatchObject({ status: 200, body: { tasks: [] } });
  });

  it.each([
    ['nothing', '', 3_000],
    ['half a head', 'GET / HTTP/1.1\r\nHost:', 3_000],
    [
      'half a body',
      'POST /api/auth/v1/scopes/expand HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
      8_000,
    ],
  ])('is not held up by who sends %s', async (_, sent, withinMs) => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    const service = await start(onDatabase(url)).ready();
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname).on('error', () => undefined);
    cleanups.push(() => socket.destroy());
    await once(socket, 'connect');
    if (sent) await new Promise((written) => socket.write(sent, written));
    await service.root.get('/__lbheartbeat__'); // and then it was accepted, and read
    const began = performance.now();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(withinMs);
  });

  it('ends with 0 when nobody reads what it prints', async () => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    const port = await freePort();
    const service = start({ ...onDatabase(url), PORT: String(port) });
    await service.closeOutput();
    const answers = () =>
      fetch(`http://127.0.0.1:${port}/__lbheartbeat__`).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually('it answers', answers, 30_000);
    await sleep(300); // it prints that it is ready, then
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('replicas', () => {
  it('three that start at once on an empty database become ready and agree', async () => {
    const { url, pool, drop } = await createDatabase('template0');
    cleanups.push(drop);
    const replicas = [1, 2, 3].map(() => start(onDatabase(url)));
    await Promise.all(replicas.map((replica) => replica.ready()));
    const { rows } = await pool.query('select name from migration order by id');
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    const [one, two, three] = replicas.map((replica) => replica.root) as [Api, Api, Api];
    const taskId = slugid();
    await one.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId: 'replicas/q', scopes: ['some:scope'] }));
    const { body } = await two.post(workerOn('replicas/q').path, { tasks: 1, workerGroup: 'g', workerId: 'w' });
    const [claim] = body.tasks;
    expect(claim.status.taskId).toBe(taskId);
    const reclaim = await three.as(claim.credentials).post(`/queue/v1/task/${taskId}/runs/0/reclaim`);
    expect(reclaim.status).toBe(200);
    expect((await one.as(reclaim.body.credentials).post(`/queue/v1/task/${taskId}/runs/0/completed`)).status).toBe(200);
    expect((await three.get(`/queue/v1/task/${taskId}/status`)).body.status.state).toBe('completed');
  });

  it('a replica with another master key is refused', async () => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    await start(onDatabase(url)).ready();
    const other = start({ ...onDatabase(url), MASTER_KEY: 'another-canary-key-0123456789abcdefgh' });
    expect(await other.end()).toEqual({ code: 1, signal: null });
    expect(other.output).toContain('MASTER_KEY is not the one this database was written with');
    expect(other.output).not.toMatch(/canary|^ +at /m);
  });
});

describe('CLUSTER', () => {
  const linesOf = ({ output }: ServiceProcess) =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { pid: number; msg?: string; how?: string; wait?: number; reqId?: string; status?: number });
  const listening = (service: ServiceProcess) =>
    [...new Set(linesOf(service).flatMap(({ pid, msg }) => (msg?.startsWith('Server listening') ? [pid] : [])))].filter(isAlive);
  const servedBy = (service: ServiceProcess, reqId: unknown) => linesOf(service).find((line) => line.status && line.reqId === reqId)?.pid;

  /** Which processes answer, each of some calls on a connection of its own. */
  async function answering(service: ServiceProcess, api: Api): Promise<Set<number>> {
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.get('/queue/v1/ping', { headers: { connection: 'close' } })));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const ids = answers.map(({ headers }) => headers['x-for-request-id']);
    await eventually('all is logged', () => ids.every((id) => servedBy(service, id)));
    return new Set(ids.map((id) => servedBy(service, id) as number));
  }

  /** Their log says so, a moment late. */
  const bothListen = (service: ServiceProcess) => eventually('both listen', () => listening(service).length === 2);

  it('several processes serve one port as one does; one that is killed is replaced; they stop as one', async () => {
    const dataDir = dataDirectory();
    const service = await start({ DATA_DIR: dataDir, CLUSTER: '2' }).ready();
    expect(service.output.match(/Leasehold is ready/g)).toHaveLength(1);
    const api = rootOf(service, dataDir);
    await bothListen(service);
    const first = listening(service);
    expect(first).not.toContain(service.pid);
    expect(await answering(service, api)).toEqual(new Set(first));

    const waits: number[] = [];
    const pairs = new Set<string>();
    await eventually('a task made by one process wakes a poll of another, both ways', async () => {
      const held = api.post(
        '/queue/v1/claim-work/c%2Fq',
        { tasks: 1, workerGroup: 'g', workerId: 'w' },
        { headers: { connection: 'close' } },
      );
      await sleep(200);
      const began = performance.now();
      const taskId = slugid();
      const created = await api.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId: 'c/q' }), { headers: { connection: 'close' } });
      const { body, headers } = await held;
      const wait = performance.now() - began;
      expect(body.tasks[0].status.taskId).toBe(taskId);
      const report = await api.as(body.tasks[0].credentials).post(`/queue/v1/task/${taskId}/runs/0/completed`);
      expect(report.status).toBe(200);
      const ids = [created.headers, headers].map((one) => one['x-for-request-id']);
      await eventually('both are logged', () => ids.every((id) => servedBy(service, id)));
      const by = ids.map((id) => servedBy(service, id));
      if (by[0] !== by[1]) waits.push(wait);
      if (by[0] && by[1] && by[0] !== by[1]) pairs.add(by.join());
      return pairs.size === 2;
    });
    expect(Math.min(...waits)).toBeLessThan(500); // news: the poll of every second would take longer

    let last = first[0] as number;
    for (const wait of [100, 200]) {
      process.kill(last, 'SIGKILL');
      await eventually('it is replaced', () => !isAlive(last) && listening(service).length === 2, 30_000); // as long as any start is given
      expect(linesOf(service).findLast((line) => line.wait)).toMatchObject({ how: `process ${last} ended with SIGKILL`, wait });
      last = listening(service).find((pid) => pid !== first[1]) as number;
    }
    expect(await answering(service, api)).toEqual(new Set([last, first[1]]));

    const everybody = [...listening(service), postmasterOf(dataDir)];
    const poll = api.post(workerOn('idle/queue').path, { tasks: 1, workerGroup: 'g', workerId: 'w' });
    await sleep(300);
    for (const pid of [...listening(service), service.pid]) process.kill(pid, 'SIGINT'); // as Ctrl-C does
    expect(await service.end()).toEqual({ code: 0, signal: null });
    expect(await poll).toMatchObject({ status: 200, body: { tasks: [] } });
    expect(everybody.filter(isAlive)).toEqual([]);
    expect(linesOf(service).filter((line) => line.wait)).toHaveLength(2); // the end of these two was no accident
  }, 120_000);

  it('SIGTERM to all processes at once, as systemd sends it, answers what is under way', async () => {
    const dataDir = dataDirectory();
    const service = await start({ DATA_DIR: dataDir, CLUSTER: '2', PORT: String(await freePort()) }).ready();
    await bothListen(service);
    const api = rootOf(service, dataDir);
    const poll = api.post(workerOn('idle/queue').path, { tasks: 1, workerGroup: 'g', workerId: 'w' });
    await sleep(300);
    for (const pid of [service.pid, ...listening(service)]) process.kill(pid, 'SIGTERM');
    expect(await service.end()).toEqual({ code: 0, signal: null });
    expect(await poll).toMatchObject({ status: 200, body: { tasks: [] } });
  }, 60_000);

  it('kill -9 of the first process leaves none of the others, and the next start works', async () => {
    const dataDir = dataDirectory();
    const port = String(await freePort());
    const service = await start({ DATA_DIR: dataDir, CLUSTER: '2', PORT: port }).ready();
    await bothListen(service);
    const others = [...listening(service), postmasterOf(dataDir)];
    expect(others.filter(isAlive)).toHaveLength(3);
    service.signal('SIGKILL');
    await eventually('all have ended', () => !others.some(isAlive));
    const second = await start({ DATA_DIR: dataDir, CLUSTER: '2', PORT: port }).ready();
    expect((await rootOf(second, dataDir).get('/queue/v1/__heartbeat__')).status).toBe(200);
    expect(await second.stop()).toEqual({ code: 0, signal: null });
  }, 120_000);

  it('what cannot start at all stops the whole, once, with the reason; what cannot start again is tried again', async () => {
    const dataDir = dataDirectory();
    const port = await freePort();
    const begin = () => startEmbeddedPostgres({ dataDir, durable: false, settings: { listen_addresses: '127.0.0.1', port: String(port) } });
    let server = await begin();
    cleanups.push(() => server.stop());
    const environment = { ...onDatabase(`postgres://postgres@127.0.0.1:${port}/postgres`), CLUSTER: '2' };
    const occupier = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => occupier.once('listening', done));
    cleanups.push(() => occupier.close());
    const { port: occupied } = occupier.address() as { port: number };
    const refused = start({ ...environment, PORT: String(occupied) });
    expect(await refused.end()).toEqual({ code: 1, signal: null });
    expect(refused.output.match(/Leasehold cannot start\. Port \d+ of 127\.0\.0\.1 is in use; set PORT/g)).toHaveLength(1);
    expect(refused.output).not.toMatch(/^ +at /m);

    const service = await start(environment).ready();
    await bothListen(service);
    await server.stop();
    process.kill(listening(service)[0] as number, 'SIGKILL');
    const failing = () => linesOf(service).filter(({ how }) => how?.startsWith('The database cannot be reached'));
    await eventually('its successor cannot start', () => failing().length > 1);
    expect(listening(service)).toHaveLength(1);
    server = await begin();
    await eventually('there are two again', () => listening(service).length === 2, 20_000);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  }, 120_000);

  it('says so where the database allows fewer connections than it may open', async () => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    expect((await start({ ...onDatabase(url), CLUSTER: '1' }).ready()).output).not.toContain('max_connections');
    const few = await startEmbeddedPostgres({ dataDir: dataDirectory(), durable: false, settings: { max_connections: '20' } });
    cleanups.push(() => few.stop());
    const service = await start({ ...onDatabase(few.url), CLUSTER: '2' }).ready();
    expect(service.output).toMatch(
      /^ {2}Note +The database allows 17 connections, and CLUSTER=2 may open 48: raise its max_connections, or/m,
    );
  }, 120_000);
});

describe('refuses to start', () => {
  async function refused(environment: Record<string, string>): Promise<string> {
    const service = start(environment);
    expect(await service.end()).toEqual({ code: 1, signal: null });
    expect(service.output).toContain('Leasehold cannot start.');
    expect(service.output).not.toMatch(/^ +at |canary/im);
    return service.output;
  }

  it('on bad configuration, naming every variable and its fix, and no secret', async () => {
    const output = await refused({
      PORT: 'eighty',
      CLUSTER: 'all',
      METRICS_PORT: 'some',
      ROOT_URL: 'tasks.example.com',
      DATABASE_URL: 'mysql://u:canary@127.0.0.1/db',
      MASTER_KEY: 'canary-too-short',
      STATIC_CLIENTS: '[{"clientId":"static/x","accessToken":"canary!","scopes":[]}]',
      ANONYMOUS_SCOPES: 'a"b',
      CLAIM_TIMEOUT: '0',
      CREDENTIALS_GRACE: '-1',
      CLAIM_POLL: '60',
      DEADLINE_DELAY: 'soon',
      SWEEP_INTERVAL: 'NaN',
      MAX_TASK_DEADLINE_DAYS: '1.5',
      TASK_MAX_DEPENDENCIES: '10001',
      MAX_TASK_SIZE: '1',
      LOG_LEVEL: 'loud',
    });
    const lines = output.split('\n').filter((line) => /^ {2}[A-Z_]+: /.test(line));
    expect(lines.map((line) => line.trim().split(':')[0])).toEqual([
      'PORT',
      'ROOT_URL',
      'CLUSTER',
      'METRICS_PORT',
      'DATABASE_URL',
      'MASTER_KEY',
      'STATIC_CLIENTS',
      'ANONYMOUS_SCOPES',
      'CLAIM_TIMEOUT',
      'CREDENTIALS_GRACE',
      'CLAIM_POLL',
      'DEADLINE_DELAY',
      'SWEEP_INTERVAL',
      'MAX_TASK_DEADLINE_DAYS',
      'TASK_MAX_DEPENDENCIES',
      'MAX_TASK_SIZE',
      'LOG_LEVEL',
    ]);
    for (const line of lines) expect(line).toMatch(/set |make one with|must be/);
  });

  it('on an occupied port', async () => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    const occupier = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => occupier.once('listening', done));
    cleanups.push(() => occupier.close());
    const { port } = occupier.address() as { port: number };
    const output = await refused({ ...onDatabase(url), PORT: String(port) });
    expect(output).toContain(`Port ${port} of 127.0.0.1 is in use; set PORT`);
  });

  it('on a host that is not this one', async () => {
    const { url, drop } = await createDatabase();
    cleanups.push(drop);
    expect(await refused({ ...onDatabase(url), HOST: 'nowhere.invalid' })).toMatch(
      /listen on port 0 of nowhere.invalid .*; set PORT \(or HOST\)/,
    );
  });

  it('on a database that cannot be reached, without showing its password', async () => {
    const unreachable = `postgres://user:canary-password@localhost:${await freePort()}/db`;
    expect(await refused({ ...onDatabase(unreachable) })).toMatch(/The database cannot be reached: .*ECONNREFUSED.*DATABASE_URL/);
    expect(await refused({ ...onDatabase('postgres://user:can@ary:canary/@:99999/db') })).toMatch(
      /The database cannot be reached: .*DATABASE_URL/,
    );
  });

  it('on a data directory that is none', async () => {
    const dataDir = dataDirectory();
    const file = path.join(dataDir, 'file');
    writeFileSync(file, '');
    expect(await refused({ DATA_DIR: file })).toMatch(/DATA_DIR cannot be used: .*EEXIST/);
  });

  it('on a data directory that another service uses', async () => {
    const dataDir = dataDirectory();
    await start({ DATA_DIR: dataDir }).ready();
    expect(await refused({ DATA_DIR: dataDir })).toMatch(/Another process uses the database in .*DATABASE_URL/s);
  });
});

describe('a database that goes away', () => {
  it('and comes back: replicas recover by themselves, long polls and news between them too', async () => {
    const dataDir = dataDirectory();
    const port = await freePort();
    const begin = () => startEmbeddedPostgres({ dataDir, durable: false, settings: { listen_addresses: '127.0.0.1', port: String(port) } });
    let server = await begin();
    cleanups.push(() => server.stop());
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    const replicas = [start({ ...onDatabase(url), LOG_LEVEL: 'warn' }), start({ ...onDatabase(url), LOG_LEVEL: 'warn' })];
    await Promise.all(replicas.map((replica) => replica.ready()));
    const [here, there] = replicas.map((replica) => replica.root) as [Api, Api];
    const healthy = async (api: Api) => (await api.as().get('/__heartbeat__')).status === 200;
    const bothHealthy = () => Promise.all([healthy(here), healthy(there)]).then((all) => all.every(Boolean));
    await work(here, there);

    await server.stop();
    await eventually('the heartbeat says so', async () => !(await healthy(here)));
    expect((await here.as().get('/__lbheartbeat__')).status).toBe(200);
    const away = performance.now();
    while (performance.now() - away < 6_000) await expectRefused(here); // after 5 s clients and roles are no longer believed either
    server = await begin();
    await eventually('both are healthy again', bothHealthy);
    await work(here, there);

    const holding = there.post(workerOn('db/held').path, { tasks: 1, workerGroup: 'g', workerId: 'holds' });
    await terminateBackends(url);
    await eventually('both are healthy again', bothHealthy);
    await work(here, there);
    await here.put(`/queue/v1/task/${slugid()}`, definition({ taskQueueId: 'db/held' }));
    expect((await holding).body.tasks).toHaveLength(1); // its poll went on through the cut
    for (const replica of replicas) expect(await replica.stop()).toEqual({ code: 0, signal: null });
  });

  /** Reads, writes and the heartbeat: not a failure of ours, but something to try again. */
  async function expectRefused(api: Api): Promise<void> {
    const create = api.put(`/queue/v1/task/${slugid()}`, definition());
    const answers = await Promise.all([create, api.get(`/queue/v1/task/${slugid()}/status`), api.as().get('/__heartbeat__')]);
    for (const { status, body, headers } of answers) {
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'ServiceUnavailable' });
      expect(headers['retry-after']).toMatch(/^[1-5]$/);
    }
  }

  let queues = 0;

  /** A task made here reaches a worker that waits there, by news and not by the poll of every second; so does a client. */
  async function work(here: Api, there: Api): Promise<void> {
    const taskQueueId = `db/queue-${queues++}`;
    const waits: number[] = [];
    await eventually('news travel', async () => {
      const claim = there.post(workerOn(taskQueueId).path, { tasks: 1, workerGroup: 'g', workerId: 'w' });
      await sleep(200);
      const began = performance.now();
      await here.put(`/queue/v1/task/${slugid()}`, definition({ taskQueueId }));
      expect((await claim).body).toMatchObject({ tasks: [{}] });
      waits.push(performance.now() - began);
      return waits.slice(-3).filter((wait) => wait < 300).length === 3;
    });
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const client = { clientId: `db/${slugid()}`, scopes: ['queue:pending-count:*'] };
    const admin = createLeaseholdClient({ rootUrl: here.url, credentials: () => here.credentials! });
    const { data } = await admin.PUT('/api/auth/v1/clients/{clientId}', {
      params: { path: { clientId: client.clientId } },
      body: { expires, description: '', scopes: client.scopes },
    });
    const stranger = there.as({ clientId: client.clientId, accessToken: data?.accessToken ?? '' });
    await eventually('the client is known there', async () => (await stranger.get('/queue/v1/pending/db%2Fq')).status === 200, 3_000);
  }

  async function terminateBackends(url: string): Promise<void> {
    const pg = (await import('pg')).default;
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'leasehold%' and pid <> pg_backend_pid()`,
    );
    await client.end();
    expect(rowCount).toBeGreaterThan(3); // two listeners and the pools
  }
});

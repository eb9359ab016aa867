import { once } from 'node:events';
import http from 'node:http';
import { connect, type Socket } from 'node:net';
import type pg from 'pg';
import taskcluster from 'taskcluster-client';
import { Sql, statement } from '../src/service/postgres/sql.js';
import { type Answer, type Api, type Credentials, definition, slugid } from './support/api.js';
import { eventually, onDatabase, ROOT, ServiceProcess } from './support/service-process.js';
import { exchange, TYPE, tokenOf } from './support/task-tokens.js';
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

/** Temporary credentials of a client, with a name of their own: what they take is the client's, or it would have as much as it has names. */
function named(clientId: string, { credentials }: Api, scopes = ['*']): Credentials {
  const start = new Date(Date.now() - 60_000);
  const expiry = new Date(Date.now() + 3_600_000);
  return taskcluster.createTemporaryCredentials({ clientId, scopes, start, expiry, credentials: credentials! });
}

function expectRefusal({ status, body, headers }: Pick<Answer, 'status' | 'body' | 'headers'>, says: RegExp): void {
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
  const [reader, other] = await Promise.all(times(2, () => test.client('queue:pending-list:*', 'auth:create-client:test/*')));
  const scopes = ['queue:pending-list:*'];
  const readers = [reader!, ...['test/one', 'test/other'].map((name) => reader!.as(named(name, reader!, scopes)))];
  let turn = 0;
  const read = () => readers[turn++ % readers.length]!.get(path);
  const taskId = await tasks.create();
  await whileLocked('lock table task_definition in access exclusive mode', async (release) => {
    const served = await refusedBeyond(4 + 32, read, /More than 32 lists of tasks that wait of one client/);
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

it('two hundred requests of strangers are under way at once, and no more: they do not take the place of others', async () => {
  await test.role('anonymous', 'queue:get-task:*');
  const stranger = test.root.as();
  const taskId = await tasks.create();
  const path = `/queue/v1/task/${taskId}`;
  await eventually('strangers may read it', async () => (await stranger.get(path)).status === 200);
  await whileLocked('lock table task_definition in access exclusive mode', async (release) => {
    const refused: Answer[] = [];
    const all = times(203, () => stranger.get(path));
    for (const one of all) one.then((answer) => answer.status === 503 && refused.push(answer));
    await eventually('three are refused', () => refused.length === 3);
    for (const answer of refused) expectRefusal(answer, /More than 200 requests of callers without credentials/);
    const mine = times(5, () => test.root.get(path));
    await release();
    expect((await Promise.all(all)).filter(({ status }) => status === 200)).toHaveLength(200);
    for (const { status } of await Promise.all(mine)) expect(status).toBe(200);
  });
});

type LightAnswer = Pick<Answer, 'status' | 'body' | 'headers'>;

/** Of a form, for a third of the CPU that others take: on a busy machine the first of a thousand would have waited too long before the last was sent. */
async function postLightly(api: Api, path: string, text: string): Promise<LightAnswer> {
  const contentType = 'application/x-www-form-urlencoded';
  const authorization = api.authorizationFor('post', path, undefined, { contentType, text });
  const headers = { authorization, 'content-type': contentType, 'content-length': Buffer.byteLength(text) };
  const request = http.request(`${api.url}${path}`, { method: 'POST', headers, agent: false });
  request.end(text);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const answer = (await response.setEncoding('utf8').toArray()).join('');
  return { status: response.statusCode ?? 0, body: JSON.parse(answer || '{}'), headers: response.headers as Record<string, string> };
}

it('a thousand requests of one client are under way at once, also where operations authenticate by themselves', async () => {
  const { credentials } = await ok(tasks.claimTask(await tasks.create()));
  const token = await tokenOf(test.root.as(credentials));
  for (const path of ['/oauth/introspect', '/oauth/revoke']) {
    const server = await test.client('auth:introspect:*', 'auth:revoke-token'); // requests of the last one may not be over yet, to us
    await whileLocked('lock table task_token in access exclusive mode', async (release) => {
      const refused: LightAnswer[] = [];
      const all = times(1_003, () => postLightly(server, path, new URLSearchParams({ token }).toString()));
      const isBeyond = ({ status, body }: LightAnswer) => status === 503 && /More than 1000/.test(body.message); // others may have waited too long
      for (const one of all) one.then((answer) => isBeyond(answer) && refused.push(answer));
      await eventually('three are refused', () => refused.length === 3, 30_000);
      for (const answer of refused) {
        expectRefusal(answer, /More than 1000 requests of one client/);
        expect(answer.body.error).toBe('temporarily_unavailable');
      }
      expect((await test.root.get('/auth/v1/scopes/current')).status).toBe(200);
      await release();
      expect((await Promise.all(all)).filter(isBeyond)).toHaveLength(3);
    });
  }
}, 90_000);

it('five hundred requests look at their run at once: the code of a task does not fill the line for connections', async () => {
  const runs = await Promise.all(times(6, async () => test.root.as((await ok(tasks.claimTask(await tasks.create()))).credentials)));
  const { issuer } = await ok(test.root.as().get('/.well-known/openid-configuration'));
  const token = await tokenOf(runs[0]!, { audience: issuer });
  const bearer = { authorization: `Bearer ${token}` };
  const path = '/auth/v1/scopes/current';
  const subject = { subject_token: token, subject_token_type: TYPE('access_token') };
  await whileLocked('lock table task in access exclusive mode', async (release) => {
    const refused: Answer[] = [];
    const all: Promise<Answer>[] = [];
    const ask = (count: number, one: () => Promise<Answer>) => {
      for (const asked of times(count, one)) {
        all.push(asked);
        asked.then((answer) => answer.status === 503 && refused.push(answer));
      }
    };
    ask(50, () => runs[0]!.get(path));
    ask(53, () => runs[0]!.get(path, bearer));
    await eventually('three of one run are refused', () => refused.length === 3);
    for (const answer of refused) expectRefusal(answer, /More than 100 requests that look at their run/);
    expectRefusal(await exchange(test.root.as(), subject), /More than 100 requests that look at their run/);
    for (const run of runs.slice(1, 5)) ask(100, () => run.get(path));
    ask(2, () => runs[5]!.get(path));
    await eventually('two more are refused', () => refused.length === 5);
    for (const answer of refused.slice(3)) expectRefusal(answer, /More than 500 requests that look at their run/);
    expect((await test.root.get(path)).status).toBe(200);
    await release();
    expect((await Promise.all(all)).filter(({ status }) => status === 503)).toHaveLength(5);
  });
}, 30_000);

it('two counts are made at once, others wait, and who would wait behind too many is refused; a count under way is for all who ask', async () => {
  const paths = times(40, (n) => `/queue/v1/pending/${encodeURIComponent(`overload/counted-${n}`)}`);
  const [counter, other] = await Promise.all(times(2, () => test.client('queue:pending-count:*')));
  await whileLocked('lock table task in access exclusive mode', async (release) => {
    const counts = paths.slice(0, 34).map((path) => counter!.get(path));
    await lockedOut(2);
    await eventually('32 wait', async () => (await counter!.get(paths[35]!)).status === 503);
    expectRefusal(await counter!.get(paths[36]!), /More than 32 counts of tasks that wait of one client/);
    const same = times(10, () => counter!.get(paths[0]!)); // somebody counts that queue already
    const others = other!.get(paths[37]!);
    await release();
    for (const { status } of await Promise.all([...counts, ...same, others])) expect(status).toBe(200);
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
    const lost = (await Promise.allSettled(waiting)).filter(({ status }) => status === 'rejected');
    expect(lost.length).toBeLessThan(20); // the service asks something now and then
  });
  expect(await test.root.get(`/queue/v1/task/${slugid()}/status`)).toMatchObject({ status: 404 });
});

it('room that was taken is given back, also of who hung up before the answer came, or while it was behind another one', async () => {
  await test.role('anonymous', 'queue:get-task:*');
  const stranger = test.root.as();
  const path = `/queue/v1/task/${await tasks.create({ payload: { data: 'x'.repeat(900_000) } })}`;
  const read = async () => (await stranger.get(path, { headers: { 'accept-encoding': 'identity' } })).status;
  await eventually('strangers may read it', async () => (await read()) === 200);
  const body = JSON.stringify({ scopes: times(9_000, (n) => `scope:${n}`) });
  const get = `GET /api${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const post = `POST /api/auth/v1/scopes/expand HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  const expand = `${post}Content-Length: ${body.length}\r\n\r\n${body}`;
  const { hostname, port } = new URL(test.root.url);
  const hangUp = async (requests: string, count: number) => {
    await whileLocked('lock table task_definition in access exclusive mode', async (release) => {
      const sockets = times(count, () => connect(Number(port), hostname).setNoDelay());
      for (const socket of sockets) socket.on('error', () => undefined).write(requests);
      await lockedOut(Math.min(16, count));
      await Promise.all(sockets.map((socket) => new Promise((closed) => socket.once('close', closed).destroy())));
      await stranger.get('/__lbheartbeat__');
      await release();
    });
  };
  await hangUp(get, 40); // 36 MB, of 16 that strangers may have
  await eventually('there is room for answers', async () => (await read()) === 200);
  for (let n = 0; n < 15; n++) await hangUp(get + expand, 10); // 15 MB, of 10
  expect((await stranger.post('/auth/v1/scopes/expand', JSON.parse(body))).status).not.toBe(503);
}, 60_000);

describe('a process with a small heap', () => {
  const MIB = 1024 * 1024;
  let service: ServiceProcess;
  const clients = ['one', 'other'].map((clientId) => ({ clientId, accessToken: `${clientId}-token-for-tests-0123456789abcdef` }));

  beforeAll(async () => {
    const environment = {
      ...onDatabase(test.database.url),
      STATIC_CLIENTS: JSON.stringify([ROOT, ...clients].map((client) => ({ ...client, scopes: ['*'], description: '' }))),
      NODE_OPTIONS: '--max-old-space-size=160',
      LOG_LEVEL: 'fatal',
    };
    service = await new ServiceProcess(environment).ready();
  });
  afterAll(async () => {
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });

  /** Sends a head, then a body piece by piece, and answers the status, if any comes. */
  function send(head: string[], ...body: (string | Buffer)[]): { socket: Socket; status: Promise<number | undefined>; hangUp(): void } {
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    const status = new Promise<number | undefined>((resolve) => {
      socket.once('data', (data) => resolve(Number(/^HTTP\/1\.1 (\d+) /.exec(String(data))?.[1])));
      socket.on('error', () => resolve(undefined)).once('close', () => resolve(undefined));
    });
    socket.write(`${[...head, `Host: ${hostname}:${port}`, 'Content-Type: application/json'].join('\r\n')}\r\n\r\n`);
    for (const piece of body) socket.write(piece);
    return { socket, status, hangUp: () => socket.destroy() };
  }

  const create = (api: Api, bytes: number) => api.put(`/queue/v1/task/${slugid()}`, definition({ payload: { data: 'x'.repeat(bytes) } }));

  it('serves others while strangers send hundreds of requests in one packet, and hangs up on those', async () => {
    const path = `/api/queue/v1/task/${'a'.repeat(22)}/status`; // refused without a look at the database
    const get = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const strangers = times(40, () => send([`GET ${path} HTTP/1.1`], get.repeat(890)));
    for (let n = 0; n < 5; n++) expect((await service.root.get('/queue/v1/__heartbeat__')).status).toBe(200);
    await Promise.all(strangers.map(({ socket }) => socket.closed || once(socket, 'close')));
    const few = send([`GET ${path} HTTP/1.1`], get.repeat(7)); // no more than eight are answered, each of them
    let text = '';
    few.socket.on('data', (data) => (text += String(data)));
    await eventually('all are answered', () => text.split('HTTP/1.1 4').length === 9);
    few.hangUp();
  }, 60_000);

  it('serves others while hundreds of strangers send ten megabytes each', async () => {
    const expand = 'POST /api/auth/v1/scopes/expand HTTP/1.1';
    const piece = Buffer.alloc(MIB, '"a:b",');
    const strangers = times(400, (n) => {
      const length = n % 2 ? `Content-Length: ${10 * MIB}` : 'Transfer-Encoding: chunked';
      return send([expand, length], n % 2 ? piece : `${piece.length.toString(16)}\r\n`);
    });
    const refused = async () => (await Promise.all(strangers.map(({ status }) => Promise.race([status, undefined])))).filter(Boolean);
    await eventually('all but one are refused', async () => (await refused()).length === strangers.length - 1, 30_000);
    expect(new Set(await refused())).toEqual(new Set([503]));
    for (const api of [service.root, service.root.as(clients[0])]) {
      expect((await create(api, 500_000)).status).toBe(200);
    }
    for (const { hangUp } of strangers) hangUp();
    const whole = Buffer.from(`{"scopes":[${'"a:b",'.repeat(1.6 * MIB).slice(0, -1)}]}`);
    const sent = () => send([expand, `Content-Length: ${whole.length}`], whole).status;
    await eventually('there is room again', async () => (await sent()) === 400); // it was read: there are too many values in it
  }, 60_000);

  it('lets one client have half of the room for bodies', async () => {
    const resource = `/api/queue/v1/task/${slugid()}`;
    const unfinished = (credentials: Credentials) => {
      const authorization = service.root.as(credentials).authorizationFor('put', resource);
      return send([`PUT ${resource} HTTP/1.1`, `Authorization: ${authorization}`, `Content-Length: ${10 * MIB}`], '{');
    };
    const names = ['some', 'another'].map((name) => named(name, service.root.as(clients[0])));
    const open = times(3, (n) => unfinished([clients[0]!, ...names][n]!));
    const statuses = () => Promise.all(open.map(({ status }) => Promise.race([status, undefined])));
    await eventually('one is refused', async () => (await statuses()).filter((status) => status === 503).length === 1);
    for (const one of [clients[0], ...names]) expect((await create(service.root.as(one), 100_000)).status).toBe(503);
    expect((await create(service.root.as(clients[0]), 1_000)).status).toBe(200); // small ones are always read
    expect((await create(service.root.as(clients[1]), 100_000)).status).toBe(200);
    for (const { hangUp } of open) hangUp();
    await eventually('there is room again', async () => (await create(service.root.as(clients[0]), 100_000)).status === 200);
  });

  it('counts a body that came in chunks as what it was, once it was read', async () => {
    const taskQueueId = 'overload/chunked';
    const resource = `/api/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`;
    const poll = (n: number) => {
      const body = JSON.stringify({ tasks: 1, workerGroup: 'group', workerId: `worker-${n}` });
      const authorization = service.root.as(clients[0]).authorizationFor('post', resource);
      const head = [`POST ${resource} HTTP/1.1`, `Authorization: ${authorization}`, 'Transfer-Encoding: chunked'];
      return send(head, `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    };
    const polls: ReturnType<typeof poll>[] = [];
    for (let n = 0; n < 10; n++) {
      const one = poll(n);
      polls.push(one);
      await once(one.socket, 'connect');
      await service.root.as().get('/__lbheartbeat__'); // and then it was read
    }
    const mine = new Tasks(service.root, test.database);
    for (let n = 0; n < 10; n++) await mine.create({ taskQueueId });
    expect(await Promise.all(polls.map(({ status }) => status))).toEqual(times(10, () => 200));
    for (const { hangUp } of polls) hangUp();
    const large = times(3, () => create(service.root.as(clients[0]), 900_000));
    expect((await Promise.all(large)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('holds only so many bytes that nobody reads, and of strangers less', async () => {
    const mine = new Tasks(service.root, test.database);
    const taskId = await mine.create({ payload: { data: 'x'.repeat(900_000) } });
    await test.role('anonymous', 'queue:get-task:*');
    const path = `/queue/v1/task/${taskId}`;
    const read = (api: Api, encoding = 'identity') => api.get(path, { headers: { 'accept-encoding': encoding } });
    const stranger = service.root.as();
    await eventually('strangers may read it', async () => (await read(stranger)).status === 200);
    const more = `GET /api${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(7); // the kernel takes the first few megabytes of each
    const unread: ReturnType<typeof send>[] = [];
    let refusals = 0; // in a row: at first the kernel takes what was there a moment ago
    const isFull = async () => {
      refusals = (await read(stranger)).status === 503 ? refusals + 1 : 0;
      if (refusals === 0) unread.push(...times(2, () => send([`GET /api${path} HTTP/1.1`], more)));
      for (const { socket } of unread.slice(-2)) socket.pause();
      return refusals >= 5;
    };
    await eventually('strangers are refused', isFull, 50_000, 100);
    expectRefusal(await read(stranger), /16777216 bytes of answers of callers without credentials/);
    expect(await read(stranger, 'gzip')).toMatchObject({ status: 200 }); // that is little
    expect(await read(service.root)).toMatchObject({ status: 200 });
    for (const { hangUp } of unread) hangUp();
    await eventually('there is room again', async () => (await read(stranger)).status === 200);
  }, 60_000);

  it('refuses polls beyond those that it can hold, and first those of whom holds most', async () => {
    const poll = (credentials: Credentials, n: number) => {
      const resource = `/api/queue/v1/claim-work/${encodeURIComponent(`overload/polls-${n % 10}`)}`;
      const body = JSON.stringify({ tasks: 1, workerGroup: 'group', workerId: `worker-${n}` });
      const authorization = service.root.as(credentials).authorizationFor('post', resource);
      return send([`POST ${resource} HTTP/1.1`, `Authorization: ${authorization}`, `Content-Length: ${body.length}`], body);
    };
    const polls: ReturnType<typeof poll>[] = [];
    const anonymous = service.root.as();
    while (polls.length < 2_510) {
      polls.push(...times(251, (n) => poll(clients[0]!, n)));
      await anonymous.get('/__lbheartbeat__'); // a backlog holds no more than 511
    }
    const statuses = async () => (await Promise.all(polls.map(({ status }) => Promise.race([status, undefined])))).filter(Boolean);
    await eventually('ten are refused', async () => (await statuses()).length === 10);
    expect(new Set(await statuses())).toEqual(new Set([503]));
    const body = { tasks: 1, workerGroup: 'group', workerId: 'worker' };
    expectRefusal(
      await service.root.as(clients[0]).post('/queue/v1/claim-work/overload%2Fpolls-1', body),
      /2500 calls of claimWork of one client/,
    );
    const other = poll(clients[1]!, 1);
    const mine = new Tasks(service.root, test.database);
    for (let n = 0; n < 300; n++) await mine.create({ taskQueueId: 'overload/polls-1' });
    expect(await other.status).toBe(200);
    for (const { hangUp } of [...polls, other]) hangUp();
  }, 60_000);
});

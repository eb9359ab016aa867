import { once } from 'node:events';
import http from 'node:http';
import { connect, Socket } from 'node:net';
import { setImmediate as endOfTurn, setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import pg from 'pg';
import { authorizationHeader } from '../src/credentials/hawk.js';
import { HotSql } from '../src/service/postgres/hot-sql.js';
import { Sql } from '../src/service/postgres/sql.js';
import { ClaimDesk } from '../src/service/queue/claims/claim-desk.js';
import { findQueuesWithWork } from '../src/service/queue/sql/find-queues-with-work.js';
import { insertTask } from '../src/service/queue/sql/insert-task.js';
import { type Api, definition, slugid } from './support/api.js';
import { eventually } from './support/service-process.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let there: Awaited<ReturnType<TestService['replica']>>;
beforeAll(async () => {
  test = await startTestService();
  there = await test.replica();
});
afterAll(async () => {
  await there.close();
  await test.close();
});

const agent = new http.Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });

interface Poll {
  answer: Promise<{ status: number; tasks: { status: { taskId: string }; runId: number; fence: number }[]; at: number }>;
  hangUp(): void;
}

/** Waits for work over a bare socket, so that a thousand of them weigh little. */
function poll({ url, credentials }: Api, taskQueueId: string, workerId: string): Poll {
  const resource = `/api/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`;
  const { hostname, port } = new URL(url);
  const signed = { method: 'POST', resource, host: hostname, port: Number(port) };
  const authorization = authorizationHeader(credentials!, signed, { nowMs: Date.now(), nonce: 'nonce' });
  const headers = { authorization, 'content-type': 'application/json' };
  const request = http.request(`${url}${resource}`, { method: 'POST', headers, agent });
  request.end(JSON.stringify({ tasks: 1, workerGroup: 'poll', workerId }));
  const answer = once(request, 'response').then(async ([response]: http.IncomingMessage[]) => {
    const text = (await response!.setEncoding('utf8').toArray()).join('');
    return { status: response!.statusCode ?? 0, tasks: JSON.parse(text).tasks, at: performance.now() };
  });
  return { answer, hangUp: () => request.destroy() };
}

const answerTo = (socket: Socket) => new http.ServerResponse(new http.IncomingMessage(socket));

async function create(api: Api, taskQueueId: string): Promise<string> {
  const taskId = slugid();
  const { status } = await api.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId }));
  expect(status).toBe(200);
  return taskId;
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
const queueOf = (name: string, n: number) => `${name}/queue-${n}`;

it('a thousand workers on a hundred idle queues cost next to nothing, and still are woken', async () => {
  const polls = Array.from({ length: 1_000 }, (_, n) => poll(n % 2 ? there.root : test.root, queueOf('idle', n % 100), `w-${n}`));
  const hungUp = polls.map((one) => one.answer.catch(() => 'hung up'));
  const waiting = () => [test, there].reduce((sum, { service }) => sum + service.app.get(ClaimDesk).waiting, 0);
  await eventually('all wait', () => waiting() === 1_000, 17_000); // a poll lasts 20 s
  await sleep(2_500); // until all have looked once
  const asked = jest.spyOn(pg.Client.prototype, 'query'); // every statement of both replicas
  const cpu = process.cpuUsage();
  const began = performance.now();
  await sleep(5_000);
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const statements = asked.mock.calls.length;
  asked.mockRestore();
  expect(statements).toBeGreaterThan(0); // what is counted is what runs
  expect(statements / seconds).toBeLessThan(15); // a poll and a sweep of each replica, not one a worker
  expect((user + system) / 1e6 / seconds).toBeLessThan(0.5);

  const taskIds = await Promise.all([7, 58].map((n) => create(test.root, queueOf('idle', n))));
  const woken = await Promise.race([sleep(1_000), Promise.all([7, 58].map((n) => Promise.any(ofQueue(polls, n))))]);
  expect(woken?.flatMap(({ tasks }) => tasks.map((task) => task.status.taskId))).toEqual(taskIds);
  for (const one of polls) one.hangUp();
  await Promise.all(hungUp);
});

function ofQueue(polls: Poll[], n: number) {
  return polls.filter((_, index) => index % 100 === n).map(({ answer }) => answer);
}

it.each(['the same replica', 'another replica'])('a task reaches a worker that waits on %s in tens of milliseconds', async (where) => {
  const taskQueueId = where === 'another replica' ? 'swift/there' : 'swift/here';
  const waits: number[] = [];
  for (let round = 0; round < 20; round++) {
    const waiting = poll(where === 'another replica' ? there.root : test.root, taskQueueId, 'w');
    await sleep(60); // it waits, and the notification of the round before is 50 ms ago
    const began = performance.now();
    const taskId = await create(test.root, taskQueueId);
    const { tasks, at } = await waiting.answer;
    expect(tasks.map((task) => task.status.taskId)).toEqual([taskId]);
    waits.push(at - began);
  }
  expect(median(waits)).toBeLessThan(100);
});

it('fifty tasks for fifty workers on two replicas: each gets one', async () => {
  const polls = Array.from({ length: 50 }, (_, n) => poll(n % 2 ? there.root : test.root, 'fifty/queue', `w-${n}`));
  await sleep(200);
  const taskIds = await Promise.all(polls.map(() => create(test.root, 'fifty/queue')));
  const given = (await Promise.all(polls.map((one) => one.answer))).map(({ tasks }) => tasks.map((task) => task.status.taskId));
  expect(given.map((tasks) => tasks.length)).toEqual(polls.map(() => 1));
  expect(given.flat().sort()).toEqual(taskIds.sort());
});

it('who hangs up waits no longer: the task goes to the next worker, as its first claim', async () => {
  const gone = poll(test.root, 'hang-up/queue', 'gone');
  const failed = gone.answer.catch((error: Error) => error.message);
  await sleep(200);
  gone.hangUp();
  expect(await failed).toBe('socket hang up');
  await sleep(100);
  const taskId = await create(test.root, 'hang-up/queue');
  await sleep(200);
  const { body } = await test.root.get(`/queue/v1/task/${taskId}/status`);
  expect(body.status.state).toBe('pending');
  const { tasks } = await poll(test.root, 'hang-up/queue', 'next').answer;
  expect(tasks).toMatchObject([{ status: { taskId }, runId: 0, fence: 1 }]);
});

/** Writes a pending task behind the service's back. */
async function insertSilently(taskQueueId: string): Promise<string> {
  const taskId = slugid();
  const task = definition({ taskQueueId, taskGroupId: taskId, schedulerId: '-', projectId: 'none', priority: 'lowest' });
  const { expires, deadline } = task;
  const identity = [taskQueueId, taskId, '-', 'none', 6];
  const columns = [taskId, JSON.stringify(task), Buffer.alloc(32), [], 5, expires, ...identity, deadline, 0, 60, ...Array(6).fill(null)];
  await test.database.pool.query(insertTask.text, columns);
  return taskId;
}

it('a process notifies twenty times a second at most, however much there is to tell, and tells all of it', async () => {
  const listener = new pg.Client({ connectionString: test.database.url });
  await listener.connect();
  const told: { at: number; queues: string[] }[] = [];
  listener.on('notification', ({ payload }) => told.push({ at: performance.now(), queues: JSON.parse(payload ?? '').queues }));
  await listener.query('listen leasehold');
  const desk = test.service.app.get(ClaimDesk);
  const began = performance.now();
  let announced = 0;
  for (; performance.now() - began < 1_000; await endOfTurn()) desk.announce(queueOf('told', announced++ % 50));
  desk.announce('told/last');
  await eventually('the last is told', () => told.some(({ queues }) => queues.includes('told/last')));
  await listener.end();
  expect(announced).toBeGreaterThan(100); // each of which would be a notification
  expect(told.length).toBeLessThanOrEqual(1 + ((told.at(-1)?.at ?? 0) - began) / 49); // every 50 ms, and a timer may be 1 ms early
  expect(new Set(told.flatMap(({ queues }) => queues)).size).toBe(51);
});

it('a task that no notification told of is found within two seconds', async () => {
  const waiting = poll(test.root, 'lost/queue', 'w');
  await sleep(300);
  const began = performance.now();
  const taskId = await insertSilently('lost/queue');
  const { tasks, at } = await waiting.answer;
  expect(tasks).toMatchObject([{ status: { taskId } }]);
  expect(at - began).toBeLessThan(2_000);
});

const WISH = { worker: { workerGroup: 'g', workerId: 'w' }, wanted: 1, key: undefined, actor: undefined };

it('queues of whatever names are remembered up to a bound, and who waits is not forgotten for them', async () => {
  const replica = await test.replica();
  const desk = replica.service.app.get(ClaimDesk);
  const { lines } = desk as unknown as { lines: Map<string, { waiting: Set<unknown> }> };
  const waiting = poll(replica.root, 'waits/queue', 'w');
  await eventually('it waits', () => lines.get('waits/queue')?.waiting.size === 1);
  const gone = new Socket().destroy();
  let most = 0;
  for (let n = 0; n < 25_000; n++) {
    await desk.claim(`made-up/queue-${n}`, WISH, 20_000, answerTo(gone));
    most = Math.max(most, lines.size);
  }
  expect(most).toBe(10_000);
  expect(lines.size).toBeLessThan(10_000);
  const taskId = await create(test.root, 'waits/queue');
  expect((await waiting.answer).tasks).toMatchObject([{ status: { taskId } }]);
  await replica.close();
});

it('one statement asks about a thousand queues at most, and all are asked about', async () => {
  const replica = await test.replica();
  const desk = replica.service.app.get(ClaimDesk);
  const names = Array.from({ length: 1_300 }, (_, n) => queueOf('rounds', n));
  await Promise.all(names.map((name) => desk.claim(name, WISH, 0, answerTo(new Socket()))));
  const waiting = poll(replica.root, queueOf('rounds', 1_300), 'w');
  await eventually('it waits', () => desk.waiting === 1);
  const asked = jest.spyOn(replica.service.app.get(HotSql), 'query');
  const began = performance.now();
  const taskId = await insertSilently(queueOf('rounds', 1_300));
  const { tasks, at } = await waiting.answer;
  expect(tasks).toMatchObject([{ status: { taskId } }]);
  expect(at - began).toBeLessThan(2_500);
  const rounds = asked.mock.calls.flatMap(([{ name }, values]) => (name === findQueuesWithWork.name ? [values?.[0] as string[]] : []));
  expect(rounds.length).toBeGreaterThan(1);
  for (const round of rounds) expect(round.length).toBeLessThanOrEqual(1_000);
  expect(new Set(rounds.flat())).toEqual(new Set([...names, queueOf('rounds', 1_300)]));
  await replica.close();
});

it('a poll that ends answers no tasks', async () => {
  const replica = await test.replica({ claimPoll: 0.4 });
  const began = performance.now();
  const { status, tasks, at } = await poll(replica.root, 'ends/queue', 'w').answer;
  expect({ status, tasks }).toEqual({ status: 200, tasks: [] });
  expect(at - began).toBeGreaterThan(390);
  expect(at - began).toBeLessThan(2_000);
  await replica.close();
});

it('who hangs up waits no longer, also where the answer would have come behind another one on the same connection', async () => {
  const queues = [queueOf('pipelined', 1), queueOf('pipelined', 2)];
  const { host, hostname, port } = new URL(test.root.url);
  const requests = queues.map((taskQueueId) => {
    const resource = `/api/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`;
    const body = JSON.stringify({ tasks: 1, workerGroup: 'poll', workerId: 'pipelined' });
    const authorization = test.root.authorizationFor('post', resource);
    const type = 'Content-Type: application/json';
    const lines = [`POST ${resource} HTTP/1.1`, `Host: ${host}`, type, `Authorization: ${authorization}`, `Content-Length: ${body.length}`];
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  });
  const desk = test.service.app.get(ClaimDesk);
  const { waiting } = desk;
  const socket = connect(Number(port), hostname);
  socket.write(requests.join(''));
  await eventually('both wait', () => desk.waiting === waiting + 2);
  socket.destroy();
  await eventually('neither does', () => desk.waiting === waiting);
  for (const taskQueueId of queues) {
    const taskId = await create(test.root, taskQueueId);
    expect((await poll(test.root, taskQueueId, 'next').answer).tasks).toMatchObject([{ status: { taskId } }]);
  }
});

it('a service that closes ends all polls at once, with an answer', async () => {
  const replica = await test.replica();
  const polls = Array.from({ length: 100 }, (_, n) => poll(replica.root, queueOf('closing', n % 3), `w-${n}`));
  const { lines } = replica.service.app.get(ClaimDesk) as unknown as { lines: Map<string, { waiting: Set<unknown> }> };
  await eventually('all polls wait', () => [...lines.values()].reduce((sum, { waiting }) => sum + waiting.size, 0) === polls.length);
  const began = performance.now();
  const [answers] = await Promise.all([Promise.all(polls.map((one) => one.answer)), replica.close()]);
  expect(performance.now() - began).toBeLessThan(2_000);
  for (const { status, tasks } of answers) expect({ status, tasks }).toEqual({ status: 200, tasks: [] });
});

it('a database that blinks ends no poll; who waits still is woken', async () => {
  const patient = await test.replica({ claimPoll: 6 });
  try {
    const root = patient.root;
    const polls = Array.from({ length: 60 }, (_, n) => poll(root, queueOf('blink', n % 12), `w-${n}`));
    await sleep(500);
    const cut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
      and application_name like 'leasehold%'`;
    for (let cuts = 0; cuts < 12; cuts++) {
      await test.database.pool.query(cut);
      await sleep(125);
    }
    await sleep(1_200); // the pool and the floor under lost hints are back
    const taskId = await create(root, queueOf('blink', 3));
    const answers = await Promise.all(polls.map(({ answer }) => answer));
    expect(answers.map(({ status }) => status)).toEqual(polls.map(() => 200));
    expect(answers.flatMap(({ tasks }) => tasks.map(({ status }) => status.taskId))).toEqual([taskId]);
  } finally {
    await patient.close();
  }
});

it('the repetition of a call that has its claims already does not wait behind a crowd', async () => {
  const taskQueueId = queueOf('crowd', 1);
  const path = `/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`;
  const again = () => test.root.post(path, { workerGroup: 'poll', workerId: 'keyed', tasks: 1 }, { headers: { 'idempotency-key': 'k' } });
  const taskId = await create(test.root, taskQueueId);
  expect((await again()).body.tasks[0].status.taskId).toBe(taskId);
  const crowd = Array.from({ length: 140 }, (_, n) => poll(test.root, taskQueueId, `crowd-${n}`)); // more than one statement serves
  const hungUp = crowd.map(({ answer }) => answer.catch(() => 'hung up'));
  await sleep(500);
  const started = performance.now();
  expect((await again()).body.tasks[0].status.taskId).toBe(taskId);
  expect(performance.now() - started).toBeLessThan(5_000); // a poll lasts 20 s
  for (const one of crowd) one.hangUp();
  await Promise.all(hungUp);
});

it('a call with a key costs one look at its key while nothing is pending, however many wait with theirs', async () => {
  const replica = await test.replica();
  const taskQueueId = queueOf('keyed', 1);
  const path = `/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`;
  const desk = replica.service.app.get(ClaimDesk);
  const ask = (n: number) =>
    replica.root.post(path, { workerGroup: 'poll', workerId: `w-${n}`, tasks: 1 }, { headers: { 'idempotency-key': 'k' } });
  const answers = [ask(0)];
  await eventually('it waits', () => desk.waiting === 1);
  await sleep(100); // its first look, which finds nothing
  const asked = [HotSql, Sql].map((sql) => jest.spyOn(replica.service.app.get(sql), 'query'));
  for (let n = 1; n <= 40; n++) {
    answers.push(ask(n));
    await eventually('it waits', () => desk.waiting === n + 1);
  }
  const names = asked.flatMap(({ mock }) => mock.calls.map(([{ name }]) => name));
  expect(names.filter((name) => name === 'find-claims-by-key').length).toBeLessThanOrEqual(40);
  expect(names.filter((name) => name === 'claim-runs' || name === 'lock-claim-key')).toEqual([]);
  const taskId = await create(replica.root, taskQueueId);
  const { body } = await Promise.any(answers);
  expect(body.tasks).toMatchObject([{ status: { taskId } }]);
  await replica.close(); // which answers the others
  expect((await Promise.all(answers)).flatMap((answer) => answer.body.tasks)).toHaveLength(1);
});

it('the repetition of a call whose look failed gets another look, also when nothing is pending', async () => {
  const patient = await test.replica({ claimPoll: 8 });
  const holder = await test.database.pool.connect();
  try {
    const taskQueueId = queueOf('failed', 1);
    const path = `/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`;
    const again = () =>
      patient.root.post(path, { workerGroup: 'poll', workerId: 'keyed', tasks: 1 }, { headers: { 'idempotency-key': 'k' } });
    const taskId = await create(patient.root, taskQueueId);
    expect((await again()).body.tasks[0].status.taskId).toBe(taskId);
    await holder.query('begin; lock table task in access exclusive mode');
    const repeated = again();
    await sleep(400);
    await test.database.pool.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and application_name like 'leasehold%'`);
    await holder.query('rollback');
    const { status, body } = await repeated;
    expect([status, body.tasks[0]?.status.taskId]).toEqual([200, taskId]);
  } finally {
    holder.release();
    await patient.close();
  }
});

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLocalJWKSet, createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { LIST_LENGTH } from '../src/credentials/status-list.js';
import { readStatusList } from '../src/service/auth/tokens/sql/read-status-list.js';
import { STATUS_EVERY_MS, STATUS_LIFE, STATUS_OLDEST_MS, STATUS_PROMISE } from '../src/service/auth/tokens/status-life.js';
import { Sql } from '../src/service/postgres/sql.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { createNotes, NOTES } from './examples/fenced-notes.js';
import { World } from './operations/world.js';
import { type Answer, type Credentials, definition, slugid } from './support/api.js';
import { bitOf, isEnded as isEndedBy } from './support/ended-token.js';
import { eventually } from './support/service-process.js';
import { JWKS } from './support/signing-keys.js';
import { slowLine } from './support/slow-line.js';
import { claimsOf, HERE, Prover, postForm, TYPE, tokenOf } from './support/task-tokens.js';
import { ok, untilDone } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* What a verifier sees that never asks about a token. */

let test: TestService;
let world: World;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, rootUrl: HERE, issuerUrl: HERE });
  world = new World(test);
});
afterAll(() => test.close());

async function issued(fields: Record<string, string> = {}) {
  const { params, credentials } = await world.run({ scopes: ['some:*'] });
  const token = await tokenOf(test.root.as(credentials), { audience: 'https://api.example.com', ...fields });
  return { taskId: params.taskId, token, api: test.root.as(credentials) };
}

const placeOf = (token: string) => (claimsOf(token).status as { status_list: { idx: number; uri: string } }).status_list;
const listOf = (token: string, api = test.root) => api.as().get(placeOf(token).uri.slice(HERE.length));
const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

async function isEnded(token: string, api = test.root): Promise<boolean> {
  const keys = createLocalJWKSet(await ok(api.as().get(JWKS)));
  return isEndedBy(token, async (uri) => ok(api.as().get(uri.slice(HERE.length))), keys);
}

/** Within the five seconds that are promised, less the two that a cache and the verifier may add. */
async function ends(token: string, api = test.root): Promise<void> {
  const began = performance.now();
  await eventually('the list says so', () => isEnded(token, api));
  expect(performance.now() - began).toBeLessThan(3_000);
}

it.each<[string, (run: Awaited<ReturnType<typeof issued>>) => unknown]>([
  ['its run is completed', ({ taskId }) => world.tasks.report('completed', taskId)],
  ['its task is cancelled', ({ taskId }) => world.tasks.steer('cancel', taskId)],
  ['its run is tried again', ({ taskId }) => world.tasks.report('worker-shutdown', taskId)],
  ['its lease lapses, and no sweep has seen it', ({ taskId }) => world.tasks.lapse(taskId)],
  ['it is revoked', ({ token, api }) => postForm(api, '/oauth/revoke', { token })],
])('a token is good until %s, and no other is touched', async (_, end) => {
  const [run, other] = [await issued(), await issued()];
  expect(await isEnded(run.token)).toBe(false);
  await end(run);
  await ends(run.token);
  expect(await isEnded(other.token)).toBe(false);
});

it('an identity token ends as well, and another replica says so, too', async () => {
  const replica = await test.replica();
  const run = await issued({ requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' });
  expect(await isEnded(run.token, replica.root)).toBe(false);
  await world.tasks.report('completed', run.taskId);
  await Promise.all([ends(run.token), ends(run.token, replica.root)]);
  await replica.close();
});

it('tokens of a key that leaked end, and the list is signed by another one', async () => {
  const { token } = await issued();
  const { keys } = await ok(test.root.get('/auth/v1/keys'));
  const { kid } = keys.find(({ alg, state }: { alg: string; state: string }) => alg === 'ES256' && state === 'active');
  expect(await isEnded(token)).toBe(false);
  await ok(test.root.post(`/auth/v1/keys/${kid}/compromise`));
  await eventually('a list of another key says so', () => isEnded(token).catch(() => false));
});

it('is not made anew for each who asks, nor for nobody', async () => {
  const { token } = await issued();
  await isEnded(token);
  const lists = await Promise.all(Array.from({ length: 50 }, () => listOf(token)));
  expect(new Set(lists.map(({ body }) => body)).size).toBeLessThanOrEqual(2);
});

describe('a resource that asks nobody, but keeps the largest fence of each task', () => {
  const AUDIENCE = 'https://notes.example.com';
  let notes: Server;
  let url: string;
  beforeAll(async () => {
    await test.database.pool.query(NOTES);
    const keys = createRemoteJWKSet(new URL(`${HERE}/.well-known/jwks.json`), {
      [customFetch]: (asked, options) => fetch(asked.replace(HERE, test.root.url), options as RequestInit),
    });
    notes = createNotes({ pool: test.database.pool, keys, issuer: HERE, audience: AUDIENCE }).listen(0, '127.0.0.1');
    await once(notes, 'listening');
    url = `http://127.0.0.1:${(notes.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    notes.close();
  });

  const put = async (token: string, body: string): Promise<number> =>
    (await fetch(url, { method: 'PUT', body, headers: { authorization: `Bearer ${token}` } })).status;
  const noteOf = async (task: string) => (await test.database.pool.query('select fence, text from note where task = $1', [task])).rows[0];
  const tokenFor = (credentials: Credentials, fields: Record<string, string> = {}, headers: Record<string, string> = {}) =>
    tokenOf(test.root.as(credentials), { audience: AUDIENCE, scope: 'notes:write', ...fields }, { headers });

  /** A task whose first worker has lost its run to a second one, and what both hold. */
  async function lost() {
    const { params, credentials } = await world.run({ scopes: ['notes:write'] });
    const { taskId } = params;
    const old = await tokenFor(credentials);
    await world.tasks.lapse(taskId);
    await untilDone(() => test.service.app.get(SweepService).sweep());
    const again = await ok(world.tasks.claimTask(taskId, 1, { workerGroup: 'group', workerId: 'another' }));
    return { taskId, old, fresh: await tokenFor(again.credentials), credentials: again.credentials as Credentials };
  }

  it('refuses the older one, though nothing else is wrong with its token, and takes an equal one', async () => {
    const { taskId, old, fresh, credentials } = await lost();
    expect([old, fresh].map((token) => [claimsOf(token).run, claimsOf(token).fence])).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(claimsOf(old).exp).toBeGreaterThan(Date.now() / 1000 + 600);
    const keys = createLocalJWKSet(await ok(test.root.as().get('/.well-known/jwks.json')));
    await jwtVerify(old, keys, { issuer: HERE, audience: AUDIENCE, typ: 'at+jwt' });

    expect([await put(fresh, 'new'), await put(old, 'old')]).toEqual([204, 409]);
    expect(await noteOf(taskId)).toEqual({ fence: '2', text: 'new' });
    const reclaimed = await ok(test.root.as(credentials).post(`/queue/v1/task/${taskId}/runs/1/reclaim`));
    const equal = await tokenFor(reclaimed.credentials);
    expect([await put(equal, 'newer'), await put(fresh, 'newest'), await put(old, 'old')]).toEqual([204, 204, 409]);
    expect(await noteOf(taskId)).toEqual({ fence: '2', text: 'newest' });
  });

  it('takes the older one as long as the later one has not written, and compares no task with another', async () => {
    const [one, other] = [await lost(), await lost()];
    expect([await put(one.fresh, 'new'), await put(other.old, 'old')]).toEqual([204, 204]);
    expect([await put(other.fresh, 'new'), await put(other.old, 'old')]).toEqual([204, 409]);
    expect(await noteOf(other.taskId)).toEqual({ fence: '2', text: 'new' });
  });

  it('lets the later one win, whichever comes first, also when both come at once', async () => {
    const { taskId, old, fresh } = await lost();
    for (let round = 0; round < 20; round++) {
      await test.database.pool.query('delete from note');
      const order = round % 2 === 0 ? [fresh, old] : [old, fresh];
      const answers = await Promise.all(order.map((token) => put(token, token === old ? 'old' : 'new')));
      expect([204, 409]).toContain(answers[order.indexOf(old)]);
      expect([answers[order.indexOf(fresh)], await noteOf(taskId)]).toEqual([204, { fence: '2', text: 'new' }]);
    }
  });

  it('compares with what the one before it has left, not with what was there when it came', async () => {
    const { taskId, old, fresh } = await lost();
    expect(await put(old, 'first')).toBe(204);
    const holder = await test.database.pool.connect();
    try {
      await holder.query('begin');
      await holder.query('select from note where task = $1 for update', [taskId]);
      const waiting = (count: number) => async () =>
        (await test.database.pool.query(`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into note%'`))
          .rowCount === count;
      const first = put(fresh, 'new');
      await eventually('the later one waits', waiting(1));
      const second = put(old, 'old');
      await eventually('the older one waits behind it', waiting(2));
      await holder.query('commit');
      expect([await first, await second]).toEqual([204, 409]);
    } finally {
      holder.release();
    }
    expect(await noteOf(taskId)).toEqual({ fence: '2', text: 'new' });
  });

  it('checks everything else first', async () => {
    const { params, credentials } = await world.run({ scopes: ['notes:*'] });
    const prover = await Prover.make();
    const good = await tokenFor(credentials);
    for (const [token, expected] of [
      ['', 401],
      [good.slice(0, -8), 401],
      [await tokenFor(credentials, { audience: 'https://other.example.com' }), 401],
      [await tokenOf(test.root.as(credentials), { audience: AUDIENCE, requested_token_type: TYPE('jwt') }), 401],
      [await tokenFor(credentials, {}, { dpop: await prover.proof('POST', '/oauth/token') }), 401],
      [await tokenFor(credentials, { scope: 'notes:write-not' }), 403],
    ] as const)
      expect(await put(token, 'x')).toBe(expected);
    expect(await noteOf(params.taskId)).toBeUndefined();
    expect(await put(good, 'x')).toBe(204);
  });
});

it('who keeps it for as long as all headers allow still knows within five seconds', async () => {
  const { token } = await issued();
  const { body, headers } = await listOf(token);
  const { iat, exp, ttl } = claimsOf(body) as unknown as { iat: number; exp: number; ttl: number };
  const maxAge = Number(/^public, max-age=(\d+)$/.exec(headers['cache-control']!)?.[1]);
  const longest = STATUS_OLDEST_MS / 1000 + maxAge + ttl;
  expect(Math.min(maxAge, ttl)).toBeGreaterThan(0);
  expect(longest).toBeLessThanOrEqual(STATUS_PROMISE - 1); // a cache that counts in whole seconds may add one
  expect(STATUS_OLDEST_MS - STATUS_EVERY_MS).toBeGreaterThanOrEqual(1_000); // what making one may take: a full list takes a tenth of it
  expect(exp - iat).toBe(STATUS_LIFE);
  expect(STATUS_LIFE).toBeLessThanOrEqual(60);
  const none = await test.root.as().get('/oauth/status-lists/4711');
  expect([none.status, none.headers['cache-control']]).toEqual([404, undefined]);
});

it('a full list is made in time', async () => {
  const [run, over] = [await issued(), await issued()];
  await test.database.pool.query(`alter table task_token alter idx restart with ${2 * LIST_LENGTH}`);
  const others = `insert into task_token (jti, task_id, run_id, kid, expires)
                  select 'full-' || nth, $1, 0, '-', now() + interval '1 hour' from generate_series(3, $2::integer) as nth`;
  const token = await tokenOf(run.api);
  const ended = await tokenOf(over.api);
  await test.database.pool.query(others, [over.taskId, LIST_LENGTH]);
  expect([placeOf(token).uri, placeOf(await tokenOf(run.api)).uri].map((uri) => uri.slice(-2))).toEqual(['/2', '/3']);
  await world.tasks.report('completed', over.taskId);
  await eventually('it is made', () => isEnded(ended).catch(() => false));
  expect(await isEnded(token)).toBe(false);
  await world.tasks.report('completed', run.taskId);
  await ends(token);
}, 30_000);

it('places tell neither how many tokens there are nor which were made together', async () => {
  const { api } = await issued();
  const places: number[] = [];
  for (let n = 0; n < 8; n++) places.push(placeOf(await tokenOf(api)).idx);
  const steps = places.slice(1).map((place, nth) => place - (places[nth] as number));
  expect(steps.filter((step) => Math.abs(step) > 100).length).toBeGreaterThan(4);
});

it('is not dated in the future', async () => {
  await eventually('a second is nearly over', () => Date.now() % 1_000 > 600);
  const [row] = await test.service.app.get(Sql).query(readStatusList, [0, LIST_LENGTH, Buffer.alloc(LIST_LENGTH / 8)]);
  expect(row!.now).toBeLessThanOrEqual(Date.now() / 1_000);
});

it('a lease that had lapsed, and that a reclaim under way extends after all, is good again', async () => {
  const { token, taskId } = await issued();
  await world.tasks.lapse(taskId);
  await ends(token);
  await world.tasks.alter(taskId, `taken_until = now() + interval '10 minutes'`);
  await eventually('it is good again', async () => !(await isEnded(token)));
});

describe('while the database answers late', () => {
  it('a list is as old as what was read for it: one that is too old is not told, nor does it follow a newer one', async () => {
    const line = await slowLine(test.database.url, 'read-status-list');
    const replica = await test.replica({ databaseUrl: line.url });
    const { token, taskId } = await issued();
    expect(await isEnded(token, replica.root)).toBe(false);
    const { idx } = placeOf(token);

    line.delay = STATUS_OLDEST_MS + 900;
    let ended = Number.POSITIVE_INFINITY;
    let alive = 0;
    const statuses = new Set<number>();
    const ask = async () => {
      const { status, body } = await listOf(token, replica.root);
      statuses.add(status);
      if (status === 200 && !bitOf(body, idx)) alive = Math.max(alive, performance.now() - ended);
    };
    const asked: Promise<void>[] = [];
    const askFor = async (ms: number) => {
      for (const until = performance.now() + ms; performance.now() < until; await sleep(100)) asked.push(ask());
    };
    await askFor(4_000);
    await world.tasks.report('completed', taskId);
    ended = performance.now();
    await askFor(4_000);
    await Promise.all(asked);
    expect(alive).toBeLessThan(STATUS_OLDEST_MS);
    expect(statuses).toContain(503);
    expect(line.atOnce).toBe(1);

    line.delay = 0;
    await eventually('it is told again', () => isEnded(token, replica.root).catch(() => false));
    await replica.close();
    line.close();
  }, 30_000);

  it('lists that are none cost a look now and then, and those that are nothing', async () => {
    const { token } = await issued();
    const line = await slowLine(test.database.url, 'find-last-place');
    const replica = await test.replica({ databaseUrl: line.url });
    expect(await isEnded(token, replica.root)).toBe(false);
    line.delay = 30;
    const [began, before] = [performance.now(), line.asked];
    const asked: Promise<Answer>[] = [];
    let slowest = 0;
    for (let n = 0; performance.now() - began < 3_000; n++) {
      for (let m = 0; m < 20; m++) asked.push(replica.root.as().get(`/oauth/status-lists/${1000 + 20 * n + m}`));
      const sent = performance.now();
      expect((await listOf(token, replica.root)).status).toBe(200);
      slowest = Math.max(slowest, performance.now() - sent);
      await sleep(50);
    }
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    expect(line.asked - before).toBeLessThanOrEqual((performance.now() - began) / 50 + 1);
    expect(slowest).toBeLessThan(1_500); // not behind a line of those
    await replica.close();
    line.close();
  }, 30_000);

  it('lists take a fifth of the time, however many are asked for', async () => {
    const tokens = [await issued()];
    await test.database.pool.query(`alter table task_token alter idx restart with ${LIST_LENGTH}`);
    tokens.push(await issued());
    const line = await slowLine(test.database.url, 'read-status-list');
    const replica = await test.replica({ databaseUrl: line.url });
    line.delay = 250;
    const began = performance.now();
    const asked: Promise<unknown>[] = [];
    for (; performance.now() - began < 4_000; await sleep(50)) for (const { token } of tokens) asked.push(listOf(token, replica.root));
    const most = (performance.now() - began) / (5 * line.delay) + 1;
    expect(line.asked).toBeLessThanOrEqual(most);
    expect(line.asked).toBeGreaterThan(1);
    line.delay = 0;
    await Promise.all(asked);
    await replica.close();
    line.close();
  }, 30_000);
});

it('a token whose scopes were judged before a loss ends with those from before, however late it is signed', async () => {
  const creator = await test.client('queue:create-task:*', 'queue:scheduler-id:*', 'some:thing');
  const taskId = slugid();
  await ok(creator.put(`/queue/v1/task/${taskId}`, { ...definition(), schedulerId: '-', scopes: ['some:thing'] }));
  const { credentials } = await ok(world.tasks.claimTask(taskId));
  const prover = await Prover.make();
  const holder = await test.database.pool.connect();
  await holder.query('begin; lock table seen_proof in access exclusive mode'); // between the look and the signature
  const dpop = await prover.proof('POST', '/oauth/token');
  const late = tokenOf(test.root.as(credentials), { scope: 'some:thing' }, { headers: { dpop } });
  const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%seen_proof%'`;
  await eventually('the exchange waits', async () => (await test.database.pool.query(waits)).rowCount === 1);
  await ok(test.root.post(`/auth/v1/clients/${encodeURIComponent(creator.credentials!.clientId)}/disable`));
  await ok(world.tasks.reclaim(taskId));
  await sleep(1_100); // to be dated a second after the loss
  await holder.query('commit');
  holder.release();
  const token = await late;
  expect(claimsOf(token).scope).toBe('some:thing');
  await ends(token);
}, 20_000);

it('what a run was given before its creator lost authority is good no more; an identity is, and what it is given from then on', async () => {
  const creator = await test.client('queue:create-task:*', 'queue:scheduler-id:*', 'some:thing');
  const taskId = slugid();
  await ok(creator.put(`/queue/v1/task/${taskId}`, { ...definition(), schedulerId: '-', scopes: ['some:thing'] }));
  const { credentials } = await ok(world.tasks.claimTask(taskId));
  const api = test.root.as(credentials);
  const token = await tokenOf(api, { scope: 'some:thing' });
  const identity = await tokenOf(api, { requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' });
  expect([await isEnded(token), await isEnded(identity)]).toEqual([false, false]);

  await ok(test.root.post(`/auth/v1/clients/${encodeURIComponent(creator.credentials!.clientId)}/disable`));
  const { credentials: less } = await ok(world.tasks.reclaim(taskId));
  await ends(token);
  const another = await tokenOf(test.root.as(less));
  await eventually('the list has its place', () => isEnded(token));
  expect([await isEnded(another), await isEnded(identity)]).toEqual([false, false]);
  const { body } = await postForm(test.root, '/oauth/introspect', { token });
  expect(body).toMatchObject({ active: true });
  expect(body.scope).toBeUndefined();
});

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLocalJWKSet, createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { createNotes, NOTES } from './examples/fenced-notes.js';
import { World } from './operations/world.js';
import type { Credentials } from './support/api.js';
import { isEnded as isEndedBy } from './support/ended-token.js';
import { eventually } from './support/service-process.js';
import { JWKS } from './support/signing-keys.js';
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

async function isEnded(token: string, api = test.root): Promise<boolean> {
  const keys = createLocalJWKSet(await ok(api.as().get(JWKS)));
  return isEndedBy(token, async (uri) => ok(api.as().get(uri.slice(HERE.length))), keys);
}

/** Within the five seconds that are promised, less the two that a cache may add. */
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
  const { uri } = (claimsOf(token).status as { status_list: { uri: string } }).status_list;
  const lists = await Promise.all(Array.from({ length: 50 }, () => test.root.as().get(uri.slice(HERE.length))));
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

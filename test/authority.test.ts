import fc from 'fast-check';
import taskcluster from 'taskcluster-client';
import { signBewit } from '../src/credentials/bewit.js';
import { authorizationHeader } from '../src/credentials/hawk.js';
import { holdsAll } from '../src/scopes/scope-set.js';
import { ClientsService } from '../src/service/auth/clients.service.js';
import { Registry } from '../src/service/auth/registry.js';
import { DatabaseAway } from '../src/service/postgres/database-away.js';
import { HotSql } from '../src/service/postgres/hot-sql.js';
import { Sql } from '../src/service/postgres/sql.js';
import { ClaimDesk } from '../src/service/queue/claims/claim-desk.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { type Api, type Credentials, definition, slugid } from './support/api.js';
import { EventReader } from './support/event-reader.js';
import { eventually } from './support/service-process.js';
import { ok, untilDone, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* What a run is lent is looked at again by what the creator of its task holds now. */

let test: TestService;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
});
afterAll(() => test.close());

const DAY = 86_400_000;
const CREATE = ['queue:create-task:*', 'queue:scheduler-id:*'];
let names = 0;

const clientPath = (clientId: string, verb = '') => `/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;
const wish = (scopes: string[], expires = DAY) => ({ scopes, description: '', expires: new Date(Date.now() + expires).toISOString() });

/** A client that may create tasks with these scopes. */
async function creator(...scopes: string[]): Promise<{ api: Api; clientId: string; holds(...scopes: string[]): Promise<void> }> {
  const clientId = `creator/${names++}`;
  const { accessToken } = await ok(test.root.put(clientPath(clientId), wish([...CREATE, ...scopes])));
  const holds = async (...now: string[]) => {
    await ok(test.root.post(clientPath(clientId), wish([...CREATE, ...now])));
  };
  return { api: test.root.as({ clientId, accessToken }), clientId, holds };
}

const setDisabled = (clientId: string, disabled: boolean) => ok(test.root.post(clientPath(clientId, disabled ? '/disable' : '/enable')));

async function created(api: Api, scopes: string[]): Promise<{ taskId: string; taskQueueId: string }> {
  const task = { taskId: slugid(), taskQueueId: `authority/q${names++}` };
  await ok(api.put(`/queue/v1/task/${task.taskId}`, definition({ taskQueueId: task.taskQueueId, scopes })));
  return task;
}

interface Claim {
  taskId: string;
  runId: number;
  credentials: Required<Credentials>;
  /** task.scopes as the certificate has them. */
  lent: string[];
  taskScopes: string[];
}

async function claim(taskQueueId: string, { api = test.root, key }: { api?: Api; key?: string } = {}): Promise<Claim> {
  const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
  const { tasks } = await ok(api.post(`/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`, { ...WORKER, tasks: 1 }, { headers }));
  return { taskId: tasks[0].status.taskId, runId: tasks[0].runId, taskScopes: tasks[0].task.scopes, ...lentBy(tasks[0]) };
}

// biome-ignore lint/suspicious/noExplicitAny: checked by the contract
function lentBy({ credentials }: any): Pick<Claim, 'credentials' | 'lent'> {
  const { scopes } = JSON.parse(credentials.certificate);
  return { credentials, lent: scopes.slice(4) }; // after the run's role and its own three
}

const runPath = ({ taskId, runId }: Pick<Claim, 'taskId' | 'runId'>, verb: string) => `/queue/v1/task/${taskId}/runs/${runId}/${verb}`;

async function reclaim(run: Claim, api = test.root): Promise<Claim> {
  return { ...run, ...lentBy(await ok(api.as(run.credentials).post(runPath(run, 'reclaim')))) };
}

/** What the service tells third parties of these credentials, but for what every run has of itself. */
async function heldBy(credentials: Credentials, authorizedScopes?: string[], api = test.root): Promise<string[]> {
  const request = { method: 'GET', resource: '/some/thing', host: 'api.example.com', port: 443 };
  const authorization = authorizationHeader(credentials, request, {
    nowMs: Date.now(),
    nonce: slugid(),
    ...(authorizedScopes ? { authorizedScopes } : {}),
  });
  const body = { ...request, method: 'get', authorization };
  const answer = await ok(api.as().post('/auth/v1/authenticate-hawk', body));
  if (answer.status !== 'auth-success') throw new Error(answer.message);
  return answer.scopes.filter((scope: string) => !/^assume:(anonymous|task-run:)|^queue:(reclaim|resolve|create-artifact)/.test(scope));
}

async function eventsOf(taskId: string): Promise<{ runId: number; lost: string[]; lostCount: number }[]> {
  const { rows } = await test.database.pool.query(
    `select detail from event where task_id = $1 and kind = 'task-scopes-reduced' order by tx, id`,
    [taskId],
  );
  return rows.map(({ detail: { creator, because, ...loss } }) => loss);
}

/** On whose account a run lost scopes, and why: what the event and the audit log say, which must be the same. */
async function reasonsOf(taskId: string): Promise<{ creator: string; because: string }[]> {
  const { rows } = await test.database.pool.query(
    `select event.detail as told, entry.detail as recorded
       from (select detail, row_number() over (order by tx, id) as nth from event where task_id = $1 and kind = 'task-scopes-reduced') as event
            full join (select detail, row_number() over (order by tx, id) as nth from audit_entry where task_id = $1 and kind = 'scopes-reduced') as entry
            using (nth)`,
    [taskId],
  );
  return rows.map(({ told, recorded }) => {
    expect(recorded).toEqual(told);
    return { creator: told.creator, because: told.because };
  });
}

async function lapse(taskId: string): Promise<void> {
  await test.database.pool.query(`update task set taken_until = now() - interval '1 s', due = now() - interval '1 s' where task_id = $1`, [
    taskId,
  ]);
  await test.service.app.get(SweepService).sweep();
}

/** Statements that come by themselves at any time. */
const OF_AUDIT = ['read-mark', 'read-unsealed', 'read-places', 'find-stray', 'seal-block', 'rebase-audit', 'move-anchor', 'delete-pruned'];
const OF_TIMERS = ['list-signing-keys', 'read-auth-version', 'list-quarantined', 'record-queues', 'record-workers', ...OF_AUDIT];

/** What is executed meanwhile. */
async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const asked: string[] = [];
  const undo = [Sql, HotSql].map((door) => {
    const sql = test.service.app.get(door);
    const query = sql.query.bind(sql);
    sql.query = (statement, parameters) => {
      if (!OF_TIMERS.includes(statement.name)) asked.push(statement.name);
      return query(statement, parameters);
    };
    return () => {
      sql.query = query;
    };
  });
  await work().finally(() => {
    for (const one of undo) one();
  });
  return asked;
}

/** Meanwhile that statement cannot be executed. */
async function failing(name: string, work: () => Promise<unknown>): Promise<void> {
  const sql = test.service.app.get(Sql);
  const query = sql.query.bind(sql);
  sql.query = async (statement, parameters) => {
    if (statement.name === name) throw new DatabaseAway('a test keeps it from being executed');
    return query(statement, parameters);
  };
  await work().finally(() => {
    sql.query = query;
  });
}

describe('a reclaim', () => {
  const losses: [string, string, (clientId: string) => Promise<unknown>][] = [
    ['disabled', 'client-disabled', (clientId) => setDisabled(clientId, true)],
    ['deleted', 'client-deleted', (clientId) => test.root.delete(clientPath(clientId))],
    ['left with other scopes', 'scopes-lost', (clientId) => ok(test.root.post(clientPath(clientId), wish(CREATE)))],
  ];

  it.each(losses)('lends nothing of task.scopes once the creator is %s, and tells so (%s)', async (_, because, lose) => {
    const { api, clientId } = await creator('a:b', 'c:*');
    const { taskId, taskQueueId } = await created(api, ['c:*', 'a:b']);
    const run = await claim(taskQueueId);
    expect(run.lent).toEqual(['c:*', 'a:b']); // as the task has them
    expect((await reclaim(run)).lent).toEqual(['c:*', 'a:b']);
    await lose(clientId);
    const after = await reclaim(run);
    expect(after.lent).toEqual([]);
    expect(await heldBy(after.credentials)).toEqual([]);
    expect(await heldBy(run.credentials)).toEqual([]); // what was lent before is no more than the run is
    expect(await eventsOf(taskId)).toEqual([{ runId: 0, lost: ['c:*', 'a:b'], lostCount: 2 }]);
    await reclaim(after);
    expect(await eventsOf(taskId)).toHaveLength(1);
    expect(await reasonsOf(taskId)).toEqual([{ creator: clientId, because }]);
    expect((await test.root.get(`/queue/v1/task/${taskId}`)).body.scopes).toEqual(['c:*', 'a:b']);
    expect((await test.root.as(after.credentials).post(runPath(run, 'completed'))).status).toBe(200);
  });

  it('lends nothing once the creator has expired, though nobody has changed it', async () => {
    const { api, clientId } = await creator('a');
    const { taskId, taskQueueId } = await created(api, ['a']);
    const run = await claim(taskQueueId);
    await ok(test.root.post(clientPath(clientId), wish([...CREATE, 'a'], 60_000)));
    expect((await reclaim(run)).lent).toEqual(['a']);
    const now = Date.now;
    try {
      Date.now = () => now() + 61_000; // a client expires by the clock of the process
      expect(lentBy(await ok(test.root.as(run.credentials).post(runPath(run, 'reclaim')))).lent).toEqual([]);
    } finally {
      Date.now = now;
    }
    expect(await reasonsOf(taskId)).toEqual([{ creator: clientId, because: 'client-expired' }]);
  });

  it('lends what is left: of a scope all or nothing, of a pattern the part that is held', async () => {
    const { api, holds } = await creator('a:*', 'b', 'c');
    const { taskId, taskQueueId } = await created(api, ['a:*', 'b', 'c']);
    const run = await claim(taskQueueId);
    await holds('a:1', 'a:2:*', 'b', 'd');
    const after = await reclaim(run);
    expect(after.lent).toEqual(['a:1', 'a:2:*', 'b']);
    expect(await heldBy(run.credentials)).toEqual(['a:1', 'a:2:*', 'b']);
    expect(await eventsOf(taskId)).toEqual([{ runId: 0, lost: ['a:*', 'c'], lostCount: 2 }]);
    await holds('a:2:x', 'b');
    expect((await reclaim(after)).lent).toEqual(['a:2:x', 'b']);
    expect((await eventsOf(taskId))[1]).toEqual({ runId: 0, lost: ['a:1', 'a:2:*'], lostCount: 2 });
  });

  it('follows roles: narrowed, deleted, and taken from the creator', async () => {
    const roleId = `authority-${names++}`;
    await test.role(roleId, 'x:1', 'x:2', 'queue:status:*');
    const { api, holds } = await creator(`assume:${roleId}`);
    const [byScope, byRole] = [await created(api, ['x:1', 'x:2']), await created(api, [`assume:${roleId}`])];
    const [scoped, assuming] = [await claim(byScope.taskQueueId), await claim(byRole.taskQueueId)];
    await ok(test.root.post(`/auth/v1/roles/${roleId}`, { description: '', scopes: ['x:2'] }));
    expect((await reclaim(scoped)).lent).toEqual(['x:2']);
    const still = await reclaim(assuming);
    expect(still.lent).toEqual([`assume:${roleId}`]);
    expect(await heldBy(still.credentials)).toEqual([`assume:${roleId}`, 'x:2']);
    await holds('x:2');
    expect((await reclaim(assuming)).lent).toEqual([]);
    expect((await reclaim(scoped)).lent).toEqual(['x:2']);
    expect(await eventsOf(byRole.taskId)).toEqual([{ runId: 0, lost: [`assume:${roleId}`], lostCount: 1 }]);
  });

  it('gives nothing back within the run; the next run has what the creator holds then', async () => {
    const { api, clientId } = await creator('a');
    const { taskId, taskQueueId } = await created(api, ['a']);
    const run = await claim(taskQueueId);
    await setDisabled(clientId, true);
    const reduced = await reclaim(run);
    await setDisabled(clientId, false);
    expect((await reclaim(reduced)).lent).toEqual([]);
    expect(await heldBy(run.credentials)).toEqual([]);
    await lapse(taskId);
    const second = await claim(taskQueueId);
    expect([second.runId, second.lent]).toEqual([1, ['a']]);
    expect(await heldBy(second.credentials)).toEqual(['a']);
    expect(await eventsOf(taskId)).toHaveLength(1);
  });

  it('costs no statement of its own while nothing changed, and neither does the one after a reduction', async () => {
    const { api, clientId } = await creator('a', 'b:*');
    const { taskQueueId } = await created(api, ['a', 'b:c']);
    let run = await claim(taskQueueId);
    const bare = await claim((await created(api, [])).taskQueueId);
    expect(await statementsOf(() => reclaim(run))).toEqual(['report-runs']);
    await ok(test.root.post(clientPath(clientId), wish([...CREATE, 'b:c'])));
    const asked = await statementsOf(async () => {
      run = await reclaim(run);
    });
    expect(asked).toEqual(['find-held-grant', 'reduce-run', 'report-runs']); // whatever is taken, before the lease is extended
    expect(run.lent).toEqual(['b:c']);
    expect(await statementsOf(() => reclaim(run))).toEqual(['report-runs']);
    expect(await statementsOf(() => reclaim(bare))).toEqual(['report-runs']); // it has nothing to lose
    await creator();
    expect(await statementsOf(() => reclaim(run))).toEqual(['find-held-grant', 'report-runs']); // once after a change
    expect(await statementsOf(() => reclaim(run))).toEqual(['report-runs']);
  });

  it('that cannot take what the creator lost extends nothing', async () => {
    const { api, clientId } = await creator('a');
    const { taskId, taskQueueId } = await created(api, ['a']);
    const run = await claim(taskQueueId);
    await setDisabled(clientId, true);
    const until = async () => (await test.database.pool.query('select taken_until from task where task_id = $1', [taskId])).rows;
    const before = await until();
    await failing('reduce-run', async () => {
      for (let n = 0; n < 2; n++) expect((await test.root.as(run.credentials).post(runPath(run, 'reclaim'))).status).toBe(503);
    });
    expect(await until()).toEqual(before);
    expect((await reclaim(run)).lent).toEqual([]);
    expect(await until()).not.toEqual(before);
  });

  it('of a run that is not held takes nothing, and is refused as ever', async () => {
    const { api, holds } = await creator('a');
    const { taskId } = await created(api, ['a']);
    await holds();
    for (const runId of [0, 1]) {
      const { status } = await test.root.post(runPath({ taskId, runId }, 'reclaim'));
      expect([runId, status]).toEqual([runId, runId === 0 ? 409 : 404]);
    }
    expect(await eventsOf(taskId)).toEqual([]);
  });

  it('keeps a proxy working that repeats all of task.scopes as authorizedScopes', async () => {
    const { api, holds } = await creator('queue:status:*', 'a:*', 'b');
    const scopes = ['queue:status:*', 'a:*', 'b'];
    const { taskId, taskQueueId } = await created(api, scopes);
    const run = await claim(taskQueueId);
    await holds('queue:status:*', 'a:1');
    const { credentials } = await reclaim(run);
    const proxied = [...scopes, `queue:create-artifact:${taskId}/0`];
    expect(await heldBy(credentials, proxied)).toEqual(['a:1', 'queue:status:*']);
    expect(await heldBy(credentials, ['b'])).toEqual([]);
    const status = await test.root.as(credentials).get(`/queue/v1/task/${taskId}/status`, { authorizedScopes: proxied });
    expect(status.status).toBe(200);
    await expect(heldBy(credentials, ['c'])).rejects.toThrow(/do not satisfy authorizedScopes/); // what it never had
    await expect(heldBy(credentials, [...proxied, 'c'])).rejects.toThrow(/do not satisfy authorizedScopes/);
    const again = await test.root.as(credentials).post(runPath(run, 'reclaim'), undefined, {
      authorizedScopes: [...proxied, `queue:reclaim-task:${taskId}/0`],
    });
    expect(again.status).toBe(200);
  });

  it('lists no more in the certificate than a proxy leaves room for', async () => {
    const { api, holds } = await creator('x:*', 'y');
    const many = Array.from({ length: 60 }, (_, index) => `x:${String(index).padStart(30, '0')}`);
    const run = await claim((await created(api, [...many, 'y'])).taskQueueId);
    expect(run.lent).toEqual([]);
    await holds('y');
    const after = await reclaim(run);
    expect(JSON.parse(after.credentials.certificate).scopes).toEqual([`assume:task-run:${run.taskId}/0`]);
    expect(await heldBy(after.credentials)).toEqual(['y']);
  });

  it('holds for signed URLs, also once the run is over', async () => {
    const { api, holds } = await creator('queue:status:*');
    const { taskId, taskQueueId } = await created(api, ['queue:status:*']);
    const run = await claim(taskQueueId);
    const { hostname, port } = new URL(test.root.url);
    const resource = `/api/queue/v1/task/${taskId}/status`;
    const exp = Math.floor(Date.now() / 1000) + 600;
    const bewit = signBewit(run.credentials, { resource, host: hostname, port: Number(port) }, { exp });
    expect((await test.root.as().get(`${resource}?bewit=${bewit}`)).status).toBe(200);
    await holds();
    await reclaim(run);
    expect((await test.root.as().get(`${resource}?bewit=${bewit}`)).status).toBe(403);
    await lapse(taskId);
    expect((await claim(taskQueueId)).runId).toBe(1);
    expect((await test.root.as().get(`${resource}?bewit=${bewit}`)).status).toBe(403);
  });
});

describe('a claim', () => {
  it('lends no more than a reclaim would, to every run', async () => {
    const { api, holds } = await creator('a', 'b');
    const { taskId, taskQueueId } = await created(api, ['a', 'b']);
    await holds('b');
    const run = await claim(taskQueueId);
    expect([run.lent, run.taskScopes]).toEqual([['b'], ['a', 'b']]);
    expect(await heldBy(run.credentials)).toEqual(['b']);
    await lapse(taskId);
    const next = await claim(taskQueueId);
    expect([next.runId, next.lent]).toEqual([1, ['b']]);
    expect(await eventsOf(taskId)).toEqual([0, 1].map((runId) => ({ runId, lost: ['a'], lostCount: 1 })));
  });

  it('by its name, and again by who holds it, the same', async () => {
    const { api, holds } = await creator('a');
    const { taskId } = await created(api, ['a']);
    const named = async () => lentBy(await ok(test.root.post(`/queue/v1/task/${taskId}/runs/0/claim`, WORKER))).lent;
    expect(await named()).toEqual(['a']);
    await holds();
    expect(await named()).toEqual([]);
    expect(await named()).toEqual([]);
    expect(await eventsOf(taskId)).toHaveLength(1);
  });

  it('leaves out whom nothing could be taken from, and only those; by the same key they come again', async () => {
    const taskQueueId = `authority/q${names++}`;
    const [loser, other] = [await creator('a'), await creator('b')];
    const create = async (api: Api, scopes: string[]) => {
      const taskId = slugid();
      await ok(api.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId, scopes })));
      return taskId;
    };
    const [first, lost, last] = [await create(other.api, ['b']), await create(loser.api, ['a']), await create(other.api, ['b'])];
    await loser.holds();
    const key = { headers: { 'idempotency-key': slugid() } };
    const claimAll = async () => {
      const { tasks } = await ok(test.root.post(`/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`, { ...WORKER, tasks: 3 }, key));
      // biome-ignore lint/suspicious/noExplicitAny: checked by the contract
      return Object.fromEntries(tasks.map((one: any) => [one.status.taskId, lentBy(one).lent]));
    };
    await failing('reduce-run', async () => expect(await claimAll()).toEqual({ [first]: ['b'], [last]: ['b'] }));
    expect(await claimAll()).toEqual({ [first]: ['b'], [lost]: [], [last]: ['b'] });
  });

  it('by its key again has what is left', async () => {
    const { api, holds } = await creator('a', 'b');
    const { taskId, taskQueueId } = await created(api, ['a', 'b']);
    const key = slugid();
    expect((await claim(taskQueueId, { key })).lent).toEqual(['a', 'b']);
    await holds('a');
    const repeated = await claim(taskQueueId, { key });
    expect([repeated.taskId, repeated.runId, repeated.lent]).toEqual([taskId, 0, ['a']]);
    await holds('a', 'b');
    expect((await claim(taskQueueId, { key })).lent).toEqual(['a']);
  });
});

describe('on whose authority a task is', () => {
  const creatorOf = async (taskId: string) => {
    const { rows } = await test.database.pool.query('select creator, creator_run from task_definition where task_id = $1', [taskId]);
    return [rows[0].creator, rows[0].creator_run];
  };

  it('that of the client behind temporary credentials, named or not, though they end', async () => {
    const { api, clientId, holds } = await creator('a', 'auth:create-client:*');
    const issuer = api.credentials as Credentials;
    const span = { start: new Date(Date.now() - 60_000), expiry: new Date(Date.now() + 60_000), scopes: [...CREATE, 'a'] };
    for (const name of [undefined, 'some/name']) {
      const temporary = taskcluster.createTemporaryCredentials({ ...span, ...(name ? { clientId: name } : {}), credentials: issuer });
      const { taskId, taskQueueId } = await created(test.root.as(temporary as Credentials), ['a']);
      expect(await creatorOf(taskId)).toEqual([clientId, null]);
      const run = await claim(taskQueueId);
      expect(run.lent).toEqual(['a']);
      await holds('auth:create-client:*');
      expect((await reclaim(run)).lent).toEqual([]);
      await holds('a', 'auth:create-client:*');
    }
  });

  it('that of who began the chain, where runs create tasks', async () => {
    const { api, clientId, holds } = await creator('a', 'b');
    const first = await claim((await created(api, [...CREATE, 'a', 'b'])).taskQueueId);
    const child = await created(test.root.as(first.credentials), [...CREATE, 'a', 'b']);
    expect(await creatorOf(child.taskId)).toEqual([clientId, `${first.taskId}/0`]);
    const second = await claim(child.taskQueueId);
    const grandchild = await created(test.root.as(second.credentials), ['a', 'b']);
    expect(await creatorOf(grandchild.taskId)).toEqual([clientId, `${child.taskId}/0`]);
    const third = await claim(grandchild.taskQueueId);
    expect(third.lent).toEqual(['a', 'b']);
    await ok(test.root.as(first.credentials).post(runPath(first, 'completed'))); // the decision task ends first, as they do
    expect((await reclaim(third)).lent).toEqual(['a', 'b']);
    await holds('b');
    expect((await reclaim(third)).lent).toEqual(['b']);
    expect((await reclaim(second)).lent).toEqual(['b', ...CREATE]);
    await setDisabled(clientId, true);
    expect((await reclaim(third)).lent).toEqual([]);
  });

  it('a run may give what it has of itself, which its creator never had', async () => {
    await test.role('task-run:*', 'secrets:get:run/<..>');
    const { api, clientId } = await creator('a');
    const parent = await claim((await created(api, [...CREATE, 'a'])).taskQueueId);
    const own = [`secrets:get:run/${parent.taskId}/0`, `queue:resolve-task:${parent.taskId}/0`];
    const child = await claim((await created(test.root.as(parent.credentials), [...own, 'a'])).taskQueueId);
    expect(child.lent).toEqual([...own, 'a']);
    expect((await test.root.delete('/auth/v1/roles/task-run%3A*')).status).toBe(204);
    expect((await reclaim(child)).lent).toEqual(['a', `queue:resolve-task:${parent.taskId}/0`]);
    await setDisabled(clientId, true);
    expect((await reclaim(child)).lent).toEqual([]);
  });

  it('what a run has of itself, and gave, lasts in every generation, and goes with the client all the same', async () => {
    await test.role('task-run:*', 'secrets:get:run/<..>');
    const { api, clientId, holds } = await creator('a');
    const first = await claim((await created(api, [...CREATE, 'a'])).taskQueueId);
    const own = [`secrets:get:run/${first.taskId}/0`, `queue:resolve-task:${first.taskId}/0`];
    const second = await claim((await created(test.root.as(first.credentials), [...CREATE, ...own, 'a'])).taskQueueId);
    const also = `secrets:get:run/${second.taskId}/0`;
    const [scopes, bare] = [
      [...own, also, 'a'],
      ['a', 'queue:create-task:*'],
    ];
    const givers = async (taskId: string) =>
      (await test.database.pool.query('select elder_runs from task_definition where task_id = $1', [taskId])).rows[0].elder_runs;
    // by itself, with others, after another one, and too large for company
    const by = test.root.as(second.credentials);
    const taskQueueId = `authority/q${names++}`;
    const task = (more: object = {}) => definition({ taskQueueId, scopes, ...more });
    const [alone, batched, dependent, large, plain] = Array.from({ length: 5 }, () => slugid()) as [string, string, string, string, string];
    await ok(by.put(`/queue/v1/task/${alone}`, task()));
    const other = { taskId: plain, task: task({ scopes: bare }) };
    await ok(by.post('/queue/v1/tasks/create', { tasks: [{ taskId: batched, task: task() }, other] }));
    await ok(by.put(`/queue/v1/task/${large}`, task({ payload: { text: 'x'.repeat(30_000) } })));
    await ok(by.put(`/queue/v1/task/${dependent}`, task({ dependencies: [dependent] })));
    for (const taskId of [alone, batched, dependent, large]) expect(await givers(taskId)).toEqual([`${first.taskId}/0`]);
    expect(await givers(plain)).toBeNull(); // its client has all of it
    const { tasks } = await ok(test.root.post(`/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`, { ...WORKER, tasks: 5 }));
    const lent = new Map(tasks.map((one: { status: { taskId: string } }) => [one.status.taskId, lentBy(one)]));
    for (const taskId of [alone, batched, large]) expect(lent.get(taskId)).toMatchObject({ lent: scopes });
    expect(lent.get(plain)).toMatchObject({ lent: bare });
    // three generations on; what the one between has not, it cannot give
    const third = { taskId: alone, runId: 0, taskScopes: scopes, ...(lent.get(alone) as ReturnType<typeof lentBy>) };
    expect(await eventsOf(alone)).toEqual([]);
    const fourth = async (...more: string[]) => {
      const parent = await claim((await created(by, [...CREATE, ...more])).taskQueueId);
      return test.root
        .as(parent.credentials)
        .put(`/queue/v1/task/${slugid()}`, task({ scopes: [also, own[0] as string], taskQueueId: 'authority/last' }));
    };
    expect((await fourth(also)).status).toBe(403);
    expect((await fourth(also, ...own)).status).toBe(200);
    const last = await claim('authority/last');
    expect(last.lent).toEqual([also, own[0]]);
    expect(await givers(last.taskId)).toEqual([`${second.taskId}/0`, `${first.taskId}/0`]);
    // a role is anybody's to lose, and the client's loss is everybody's
    await holds();
    expect((await reclaim(third)).lent).toEqual([...own, also].sort());
    expect((await test.root.delete('/auth/v1/roles/task-run%3A*')).status).toBe(204);
    expect((await reclaim(third)).lent).toEqual([own[1]]);
    expect((await reclaim(last)).lent).toEqual([]);
    await setDisabled(clientId, true);
    expect((await reclaim(third)).lent).toEqual([]);
  });

  it('that of the very client: another one of its name gives nothing back to what the former one created', async () => {
    const { api, clientId, holds } = await creator('a', 'b');
    const [waiting, chained] = [await created(api, ['a']), await created(api, [...CREATE, 'a'])];
    const parent = await claim(chained.taskQueueId);
    const child = await created(test.root.as(parent.credentials), ['a']);
    // none of this makes it another one
    await holds('a');
    await setDisabled(clientId, true);
    await setDisabled(clientId, false);
    await ok(test.root.post(clientPath(clientId, '/reset')));
    expect((await reclaim(parent)).lent).toEqual([...CREATE, 'a']);
    expect((await test.root.delete(clientPath(clientId))).status).toBe(204);
    const { accessToken } = await ok(test.root.put(clientPath(clientId), wish([...CREATE, 'a'])));
    for (const { taskId, taskQueueId } of [waiting, child]) {
      expect((await claim(taskQueueId)).lent).toEqual([]);
      expect(await reasonsOf(taskId)).toEqual([{ creator: clientId, because: 'client-replaced' }]);
    }
    expect((await reclaim(parent)).lent).toEqual([]);
    const anew = await created(test.root.as({ clientId, accessToken }), ['a']);
    expect((await claim(anew.taskQueueId)).lent).toEqual(['a']);
  });

  it('that of a client of its name, where the task is older than that more was written down', async () => {
    const { api, clientId } = await creator('a');
    const { taskId, taskQueueId } = await created(api, [...CREATE, 'a']);
    await test.database.pool.query('update task_definition set creator_since = null where task_id = $1', [taskId]);
    await test.root.delete(clientPath(clientId));
    await ok(test.root.put(clientPath(clientId), wish([...CREATE, 'a'])));
    const run = await claim(taskQueueId);
    expect(run.lent).toEqual([...CREATE, 'a']);
    expect((await claim((await created(test.root.as(run.credentials), ['a'])).taskQueueId)).lent).toEqual(['a']);
  });

  it('that of a client of configuration, and of no other one that takes its name later', async () => {
    const kept = { clientId: 'kept', accessToken: 'kept-token-for-tests-0123456789abcd', scopes: [...CREATE, 'a'], description: '' };
    const configured = await test.replica({ staticClients: [{ ...kept, ...test.root.credentials, scopes: ['*'] }, kept] });
    try {
      const { taskId, taskQueueId } = await created(configured.root.as(kept), ['a']);
      expect((await claim(taskQueueId, { api: configured.root })).lent).toEqual(['a']);
      await ok(test.root.put(clientPath(kept.clientId), wish([...CREATE, 'a']))); // elsewhere it is not configured
      expect(lentBy(await ok(test.root.post(`/queue/v1/task/${taskId}/runs/0/claim`, WORKER))).lent).toEqual([]);
      expect(await reasonsOf(taskId)).toEqual([{ creator: 'kept', because: 'client-replaced' }]);
    } finally {
      await configured.close();
    }
  });

  it('a reduced run gives no more than it has, and a batch of it no more either', async () => {
    const { api, holds } = await creator('a', 'b');
    const parent = await claim((await created(api, [...CREATE, 'a', 'b'])).taskQueueId);
    await holds('b');
    const { credentials } = await reclaim(parent);
    const task = (scopes: string[]) => definition({ taskQueueId: 'authority/none', scopes });
    expect((await test.root.as(credentials).put(`/queue/v1/task/${slugid()}`, task(['a']))).status).toBe(403);
    const batch = { tasks: [{ taskId: slugid(), task: task(['a']) }] };
    expect((await test.root.as(credentials).post('/queue/v1/tasks/create', batch)).status).toBe(403);
    expect((await test.root.as(credentials).put(`/queue/v1/task/${slugid()}`, task(['b']))).status).toBe(200);
  });

  it('batches, tasks with dependencies and large ones know it, too', async () => {
    const { api, clientId, holds } = await creator('a', 'b');
    const taskQueueId = `authority/q${names++}`;
    const [one, two, dependent, large] = [slugid(), slugid(), slugid(), slugid()] as [string, string, string, string];
    const task = (more: object = {}) => definition({ taskQueueId, scopes: ['a', 'b'], ...more });
    await ok(
      api.post('/queue/v1/tasks/create', {
        tasks: [
          { taskId: one, task: task() },
          { taskId: two, task: task({ dependencies: [one] }) },
        ],
      }),
    );
    await ok(api.put(`/queue/v1/task/${dependent}`, task({ dependencies: [one] })));
    await ok(api.put(`/queue/v1/task/${large}`, task({ payload: { text: 'x'.repeat(30_000) } })));
    for (const taskId of [one, two, dependent, large]) expect(await creatorOf(taskId)).toEqual([clientId, null]);
    const parent = await claim((await created(api, [...CREATE, 'a'])).taskQueueId);
    const inBatch = slugid();
    await ok(
      test.root
        .as(parent.credentials)
        .post('/queue/v1/tasks/create', { tasks: [{ taskId: inBatch, task: definition({ taskQueueId: 'authority/none' }) }] }),
    );
    expect(await creatorOf(inBatch)).toEqual([clientId, `${parent.taskId}/0`]);
    await holds('b');
    const { tasks } = await ok(test.root.post(`/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`, { ...WORKER, tasks: 3 }));
    expect(tasks.map((claimed: unknown) => lentBy(claimed).lent)).toEqual([['b'], ['b']]);
  });

  it('of a client of configuration, as it is there; nobody changes who it is by creating it again', async () => {
    const { taskId, taskQueueId } = await created(test.root, ['a']);
    expect(await creatorOf(taskId)).toEqual(['static/root', null]);
    const shown = (await test.root.get(`/queue/v1/task/${taskId}`)).body;
    const { api } = await creator('a');
    expect((await api.put(`/queue/v1/task/${taskId}`, { ...shown, provisionerId: undefined, workerType: undefined })).status).toBe(200);
    expect(await creatorOf(taskId)).toEqual(['static/root', null]);
    const run = await claim(taskQueueId);
    const another = { clientId: 'static/worker', accessToken: 'worker-token-for-tests-0123456789', scopes: ['*'], description: '' };
    const replica = await test.replica({ staticClients: [another] });
    try {
      expect((await reclaim(run, replica.root)).lent).toEqual([]); // it is not in that configuration
    } finally {
      await replica.close();
    }
  });

  it('of nobody: as much as callers without credentials may', async () => {
    const open = await test.replica({ anonymousScopes: ['queue:create-task:*', 'queue:scheduler-id:*', 'a'] });
    try {
      const task = await created(open.root.as(), ['a']);
      expect(await creatorOf(task.taskId)).toEqual(['', null]);
      const run = await claim(task.taskQueueId, { api: open.root });
      expect(run.lent).toEqual(['a']);
      expect((await reclaim(run, open.root)).lent).toEqual(['a']);
      expect((await reclaim(run)).lent).toEqual([]);
      expect(await reasonsOf(task.taskId)).toEqual([{ creator: '', because: 'scopes-lost' }]);
    } finally {
      await open.close();
    }
  });

  it('of tasks that are older than this nobody knows: they keep what they have', async () => {
    const { api, clientId } = await creator('a');
    const { taskId, taskQueueId } = await created(api, [...CREATE, 'a']);
    await test.database.pool.query('update task_definition set creator = null where task_id = $1', [taskId]);
    await setDisabled(clientId, true);
    const run = await claim(taskQueueId);
    expect(run.lent).toEqual([...CREATE, 'a']);
    const child = await created(test.root.as(run.credentials), ['a']);
    expect(await creatorOf(child.taskId)).toEqual([null, `${taskId}/0`]);
    expect((await claim(child.taskQueueId)).lent).toEqual(['a']);
    expect((await reclaim(run)).lent).toEqual([...CREATE, 'a']);
    expect(await eventsOf(taskId)).toEqual([]);
  });
});

describe('on several replicas', () => {
  it('each sees what another took, and takes what another was told', async () => {
    const replica = await test.replica();
    try {
      const { api, clientId } = await creator('a');
      const { taskId, taskQueueId } = await created(api, ['a']);
      const run = await claim(taskQueueId, { api: replica.root }); // it may not have heard of this client yet: that is no reason
      expect(run.lent).toEqual(['a']);
      await setDisabled(clientId, true);
      await reclaim(run);
      expect(await heldBy(run.credentials, undefined, replica.root)).toEqual([]);
      expect((await reclaim(run, replica.root)).lent).toEqual([]);
      await setDisabled(clientId, false);
      const next = await claim((await created(api, ['a'])).taskQueueId, { api: replica.root });
      expect(next.lent).toEqual(['a']);
      expect(await eventsOf(taskId)).toHaveLength(1);
    } finally {
      await replica.close();
    }
  });

  it('at once: a run is reduced once, and by who knows less of it never given back anything', async () => {
    const replica = await test.replica();
    try {
      const { api, holds } = await creator('a', 'b', 'c');
      const { taskId, taskQueueId } = await created(api, ['a', 'b', 'c']);
      const run = await claim(taskQueueId);
      await holds('a');
      const all = await Promise.all([1, 2, 3, 4].flatMap(() => [reclaim(run), reclaim(run, replica.root)]));
      expect(all.map(({ lent }) => lent)).toContainEqual(['a']);
      expect(await eventsOf(taskId)).toEqual([{ runId: 0, lost: ['b', 'c'], lostCount: 2 }]);
      expect(await heldBy(run.credentials)).toEqual(['a']);
    } finally {
      await replica.close();
    }
  });

  it('one that has not heard of a change looks again before it takes anything', async () => {
    const { api, clientId, holds } = await creator('a');
    const { taskId, taskQueueId } = await created(api, ['a']);
    await holds();
    await test.database.pool.query(`update client set scopes = scopes || '{a}' where client_id = $1`, [clientId]);
    await test.database.pool.query('update auth_version set version = version + 1'); // nobody is told
    expect((await claim(taskQueueId)).lent).toEqual(['a']);
    expect(await eventsOf(taskId)).toEqual([]);
  });

  it('one whose copy is too old to authenticate by does not decide by it either, though the call began when it was fresh', async () => {
    const replica = await test.replica({ claimPoll: 20 });
    const copyOf = Reflect.get(replica.service.app.get(Registry), 'copy');
    const read = copyOf.read;
    try {
      const { api, clientId } = await creator('a');
      const [taskId, taskQueueId] = [slugid(), `authority/q${names++}`];
      const task = definition({ taskQueueId, scopes: ['a'], dependencies: [taskId] }); // it waits to be scheduled
      await ok(api.put(`/queue/v1/task/${taskId}`, task));
      const waiting = replica.root.post(`/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`, { ...WORKER, tasks: 1 });
      await eventually('it waits', () => replica.service.app.get(ClaimDesk).waiting === 1);
      copyOf.read = () => Promise.reject(new DatabaseAway('it hangs'));
      copyOf.checkedAt = performance.now() - 5_001;
      await setDisabled(clientId, true);
      await ok(test.root.post(`/queue/v1/task/${taskId}/schedule`));
      expect((await waiting).status).toBe(503);
      copyOf.read = read;
      expect(lentBy(await ok(replica.root.post(`/queue/v1/task/${taskId}/runs/0/claim`, WORKER))).lent).toEqual([]);
    } finally {
      copyOf.read = read;
      await replica.close();
    }
  });

  it('one that was overtaken reads again what is left', async () => {
    const { api, holds } = await creator('a', 'b', 'c');
    const { taskId, taskQueueId } = await created(api, ['a', 'b', 'c']);
    const run = await claim(taskQueueId);
    await holds('a', 'b');
    const sql = test.service.app.get(Sql);
    const query = sql.query.bind(sql);
    let once = true;
    sql.query = async (statement, parameters) => {
      if (statement.name === 'reduce-run' && once) {
        once = false;
        await test.database.pool.query(`insert into reduced_run values ($1, 0, '{b,c}')`, [taskId]);
      }
      return query(statement, parameters);
    };
    try {
      expect((await reclaim(run)).lent).toEqual(['b']);
    } finally {
      sql.query = query;
    }
    expect(await heldBy(run.credentials)).toEqual(['b']);
    expect(await eventsOf(taskId)).toEqual([{ runId: 0, lost: ['c'], lostCount: 1 }]);
  });

  it('one with REDERIVE_SCOPES=false takes nothing, and gives nothing back', async () => {
    const lenient = await test.replica({ rederiveScopes: false });
    try {
      const { api, clientId } = await creator('a');
      const [one, other] = [await created(api, ['a']), await created(api, ['a'])];
      const run = await claim(one.taskQueueId);
      expect((await test.root.delete(clientPath(clientId))).status).toBe(204);
      expect((await reclaim(run, lenient.root)).lent).toEqual(['a']);
      expect((await claim(other.taskQueueId, { api: lenient.root })).lent).toEqual(['a']);
      expect((await reclaim(run)).lent).toEqual([]);
      expect((await reclaim(run, lenient.root)).lent).toEqual([]);
    } finally {
      await lenient.close();
    }
  });
});

it('is told who follows: to the run itself, and to who may read the definition', async () => {
  const { api, clientId } = await creator('a', 'b');
  const { taskId, taskQueueId } = await created(api, ['a', 'b']);
  const run = await claim(taskQueueId);
  const readers = await Promise.all([
    EventReader.open(test.root.as(run.credentials), { taskId }),
    EventReader.open(await test.client(`queue:status:${taskId}`, `queue:get-task:${taskId}`), { taskId, kind: 'task-scopes-reduced' }),
    EventReader.open(await test.client(`queue:status:${taskId}`), { taskId }),
  ]);
  const [itself, reader, other] = readers as [EventReader, EventReader, EventReader];
  try {
    await ok(test.root.post(clientPath(clientId), wish([...CREATE, 'a'])));
    await reclaim(run);
    await ok(test.root.as(run.credentials).post(runPath(run, 'completed')));
    for (const one of [itself, reader]) {
      await one.until(() => one.kinds().includes('task-scopes-reduced'));
      expect(one.events.find(({ kind }) => kind === 'task-scopes-reduced')?.data).toMatchObject({
        ...{ version: 1, runId: 0, ...WORKER, lost: ['b'], lostCount: 1, creator: clientId, because: 'scopes-lost' },
        status: { taskId, state: 'running' },
      });
    }
    await other.until(() => other.kinds().includes('task-completed'));
    expect(other.kinds()).not.toContain('task-scopes-reduced');
    const blind = await test.client(`queue:status:${taskId}`);
    expect((await blind.get(`/queue/v1/events?taskId=${taskId}&kind=task-scopes-reduced`)).status).toBe(403);
  } finally {
    for (const one of readers) one.close();
  }
});

it('of many scopes an event tells the first, and their number', async () => {
  const { api, holds } = await creator('x:*');
  const scopes = Array.from({ length: 2_000 }, (_, index) => `x:${String(index).padStart(60, '0')}`);
  const { taskId, taskQueueId } = await created(api, scopes);
  const run = await claim(taskQueueId);
  await holds();
  await reclaim(run);
  const [event] = await eventsOf(taskId);
  expect(event?.lostCount).toBe(2_000);
  expect(event?.lost.length).toBeGreaterThan(200);
  expect(event?.lost.join('').length).toBeLessThanOrEqual(16_384);
  expect(await heldBy(run.credentials)).toEqual([]);
});

it('of a pattern nothing is left where what its creator holds of it would not fit into a definition', async () => {
  const { api, holds } = await creator('x*', 'y*', 'z');
  const { taskId, taskQueueId } = await created(api, ['x*', 'y:1', 'z']);
  const run = await claim(taskQueueId);
  const many = (count: number, length: number) => Array.from({ length: count }, (_, index) => `x${String(index).padStart(length, '0')}`);
  await holds(...many(1_000, 900), 'y*');
  const fits = await reclaim(run);
  expect((await heldBy(fits.credentials)).length).toBe(1_001);
  await lapse(taskId);
  await holds(...many(1_200, 900), 'y*');
  const next = await claim(taskQueueId);
  expect([next.runId, next.lent]).toEqual([1, ['y:1']]);
  expect(await heldBy(next.credentials)).toEqual(['y:1']);
  expect((await eventsOf(taskId)).at(-1)).toEqual({ runId: 1, lost: ['x*', 'z'], lostCount: 2 });
});

it('what is left of runs is forgotten with their task', async () => {
  const { api, holds } = await creator('a');
  const { taskId, taskQueueId } = await created(api, ['a']);
  const run = await claim(taskQueueId);
  await holds();
  await ok(test.root.as((await reclaim(run)).credentials).post(runPath(run, 'completed')));
  const rows = async () => (await test.database.pool.query('select 1 from reduced_run where task_id = $1', [taskId])).rows.length;
  expect(await rows()).toBe(1);
  const past = `now() - interval '1 day'`;
  await test.database.pool.query(`update task_definition set expires = ${past} where task_id = $1`, [taskId]);
  await test.database.pool.query(`update task set expires = ${past}, taken_until = ${past} where task_id = $1`, [taskId]);
  await untilDone(() => test.service.app.get(SweepService).expire());
  expect(await rows()).toBe(0);
});

it('an expired client that is removed makes no difference: it held nothing before', async () => {
  const { api, clientId } = await creator('a');
  const run = await claim((await created(api, ['a'])).taskQueueId);
  await test.database.pool.query(`update client set expires = now() - interval '1 s', delete_on_expiration = true where client_id = $1`, [
    clientId,
  ]);
  await test.service.app.get(ClientsService).removeExpired();
  expect((await reclaim(run)).lent).toEqual([]);
});

it('whatever happens to the creator: never more than task.scopes, never more than it holds, never more than before', async () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', ':'), minLength: 1, maxLength: 3 });
  const scope = fc.tuple(word, fc.boolean()).map(([text, open]) => `s:${text}${open ? '*' : ''}`);
  const scopes = fc.uniqueArray(scope, { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(scopes, fc.array(scopes, { minLength: 1, maxLength: 3 }), async (taskScopes, changes) => {
      const { api, holds } = await creator('s:*');
      let run = await claim((await created(api, taskScopes)).taskQueueId);
      expect(run.lent).toEqual(taskScopes);
      for (const now of changes) {
        await holds(...now);
        const next = await reclaim(run);
        const held = await heldBy(run.credentials);
        expect(held).toEqual((await heldBy(next.credentials)).sort());
        expect([holdsAll(taskScopes, held), holdsAll(now, held), holdsAll(run.lent, held)]).toEqual([true, true, true]);
        expect(run.lent.filter((one) => holdsAll(now, [one]) && !holdsAll(held, [one]))).toEqual([]); // and nothing too little
        run = next;
      }
    }),
    { numRuns: 25 },
  );
});

import { createHash } from 'node:crypto';
import taskcluster from 'taskcluster-client';
import { QUEUE_ISSUER } from '../src/credentials/run-grant.js';
import { AuditedRefusals } from '../src/service/audit/audited-refusals.js';
import { Sealer } from '../src/service/audit/sealer.js';
import { ClientsService } from '../src/service/auth/clients.service.js';
import { AUDIT_KINDS } from '../src/service/postgres/audit-log.js';
import { EVENT_HORIZON } from '../src/service/postgres/outbox.js';
import { policyPath } from './operations/world.js';
import { Api, type Credentials, definition, slugid } from './support/api.js';
import { keySetOf } from './support/key-sets.js';
import { claimsOf, exchange, Prover, postForm, TYPE, tokenOf } from './support/task-tokens.js';
import { ok, refused, Tasks, untilDone, WORKER } from './support/tasks.js';
import { MASTER_KEY, startTestService, type TestService } from './support/test-service.js';

/** What is written down of what happens over HTTP. How it is chained: audit-chain.test.ts. */

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

/** All that must never be in it. */
const secrets: string[] = [MASTER_KEY];
/** Which kinds were seen. */
const seen = new Set<string>();

let names = 0;
const fresh = (prefix: string) => `${prefix}/${names++}`;
const queue = () => `audit/q${names++}`;
const DAY = 86_400_000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const clientPath = (clientId: string, verb = '') => `/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;
const rolePath = (roleId: string) => `/auth/v1/roles/${encodeURIComponent(roleId)}`;
const wish = (more: object = {}) => ({ expires: inMs(DAY), description: 'of a test', ...more });

interface Written {
  kind: string;
  actor: string | null;
  taskId: string | null;
  runId: number | null;
  detail: Record<string, unknown> | null;
}

/** Behind the API's back, whether it is sealed or not. */
async function written(where: string, ...parameters: unknown[]): Promise<Written[]> {
  const { rows } = await test.database.pool.query(
    `select kind, actor, task_id as "taskId", run_id as "runId", detail from audit_entry where ${where} order by tx, id`,
    parameters,
  );
  for (const { kind } of rows) seen.add(kind);
  return rows;
}

const ofTask = (taskId: string) => written('task_id = $1', taskId);
const ofClient = (clientId: string) => written(`detail->>'clientId' = $1`, clientId);
const ofRole = (roleId: string) => written(`detail->>'roleId' = $1`, roleId);
const refusals = () => test.service.app.get(AuditedRefusals);

/** As the sealed log is read. */
const read = async (query: string, api = test.root) => {
  const { pool } = test.database; // anybody's open transaction holds back what may be sealed
  const above = `select exists (select from audit_entry where tx >= ${EVENT_HORIZON}) as above`;
  await untilDone(async () => ((await pool.query(above)).rows[0].above ? 'more' : 'done'));
  await test.service.app.get(Sealer).seal();
  return (await ok(api.get(`/auth/v1/audit${query && `?${query}`}`))).entries;
};

function kept<T extends Credentials>(credentials: T): T {
  secrets.push(
    credentials.accessToken,
    ...(credentials.certificate ? [credentials.certificate, JSON.parse(credentials.certificate).signature] : []),
  );
  return credentials;
}

/** Fails whatever is committed meanwhile and has written such a row: at the very end, when all else was done. */
async function atCommitRefused(table: string, work: () => Promise<unknown>): Promise<void> {
  const { pool } = test.database;
  await pool.query(`create or replace function refuse_for_test() returns trigger language plpgsql as $$ begin raise 'not today'; end $$`);
  await pool.query(
    `create constraint trigger of_a_test after insert or update or delete on ${table} deferrable initially deferred for each row execute function refuse_for_test()`,
  );
  await work().finally(() => pool.query(`drop trigger of_a_test on ${table}`));
}

describe('clients', () => {
  it('are created, updated, reset, disabled, enabled and deleted by somebody', async () => {
    const clientId = fresh('audited');
    const admin = await test.client('*');
    const by = { actor: admin.credentials?.clientId, taskId: null, runId: null };
    const expires = inMs(DAY);
    kept(await ok(admin.put(clientPath(clientId), wish({ expires, scopes: ['a:*'] }))));
    await ok(admin.post(clientPath(clientId), wish({ expires, scopes: ['b'] })));
    kept(await ok(admin.post(clientPath(clientId, '/reset'))));
    await ok(admin.post(clientPath(clientId, '/disable')));
    await ok(admin.post(clientPath(clientId, '/enable')));
    expect((await admin.delete(clientPath(clientId))).status).toBe(204);
    expect((await admin.delete(clientPath(clientId))).status).toBe(204);
    expect(await ofClient(clientId)).toEqual([
      { ...by, kind: 'client-created', detail: { clientId, expires, scopes: ['a:*'] } },
      { ...by, kind: 'client-updated', detail: { clientId, expires, scopes: ['b'] } },
      { ...by, kind: 'client-reset', detail: { clientId } },
      { ...by, kind: 'client-disabled', detail: { clientId } },
      { ...by, kind: 'client-enabled', detail: { clientId } },
      { ...by, kind: 'client-deleted', detail: { clientId } }, // and once: the second time there was none
    ]);
  });

  it('expire by themselves', async () => {
    const clientId = fresh('audited');
    kept(await ok(test.root.put(clientPath(clientId), wish({ deleteOnExpiration: true }))));
    await test.database.pool.query(`update client set expires = now() - interval '1 s' where client_id = $1`, [clientId]);
    await test.service.app.get(ClientsService).removeExpired();
    expect((await ofClient(clientId)).at(-1)).toEqual({
      ...{ kind: 'client-expired', actor: null, taskId: null, runId: null },
      detail: { clientId },
    });
  });

  it('of thousands of scopes only number and digest are told', async () => {
    const clientId = fresh('audited');
    const scopes = Array.from({ length: 1000 }, (_, n) => `scope:${n}`);
    kept(await ok(test.root.put(clientPath(clientId), wish({ scopes }))));
    const [{ detail } = { detail: null }] = await ofClient(clientId);
    expect(detail).toMatchObject({ scopesCount: 1000, scopesSha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(JSON.stringify(detail).length).toBeLessThan(300);
  });

  it('that were not changed after all have no entry', async () => {
    const clientId = fresh('audited');
    kept(await ok(test.root.put(clientPath(clientId), wish())));
    await refused(test.root.put(clientPath(clientId), wish()), 409);
    await refused((await test.client(`auth:update-client:${clientId}`)).post(clientPath(clientId), wish({ scopes: ['more'] })), 403);
    await refused(test.root.post(clientPath('audited/nobody'), wish()), 404);
    await atCommitRefused('client', async () => {
      for (const verb of ['/reset', '/disable']) await refused(test.root.post(clientPath(clientId, verb)), 500);
      await refused(test.root.post(clientPath(clientId), wish({ scopes: ['x'] })), 500);
      await refused(test.root.delete(clientPath(clientId)), 500);
      await refused(test.root.put(clientPath(`${clientId}/other`), wish()), 500);
    });
    expect(await written(`kind like 'client-%' and detail->>'clientId' like $1`, `${clientId}%`)).toMatchObject([
      { kind: 'client-created' },
    ]);
  });

  it('nothing is changed that could not be written down', async () => {
    const clientId = fresh('audited');
    await atCommitRefused('audit_entry', () => refused(test.root.put(clientPath(clientId), wish()), 500));
    await refused(test.root.get(clientPath(clientId)), 404);
  });
});

it('what a run changes is filed under the run', async () => {
  const taskId = await tasks.create({ scopes: ['auth:*', 'some:*'] });
  const { credentials } = await ok(tasks.claimTask(taskId));
  const run = test.root.as(kept(credentials));
  const [clientId, roleId] = [fresh('audited'), fresh('audited')];
  kept(await ok(run.put(clientPath(clientId), wish())));
  await ok(run.post(clientPath(clientId), wish({ scopes: ['some:a'] })));
  kept(await ok(run.post(clientPath(clientId, '/reset'))));
  for (const verb of ['/disable', '/enable']) await ok(run.post(clientPath(clientId, verb)));
  await run.delete(clientPath(clientId));
  await ok(run.put(rolePath(roleId), { scopes: ['some:a'], description: '' }));
  await ok(run.post(rolePath(roleId), { scopes: ['some:b'], description: '' }));
  await run.delete(rolePath(roleId));
  const entries = [...(await ofClient(clientId)), ...(await ofRole(roleId))];
  expect(entries).toHaveLength(9);
  for (const entry of entries) expect(entry).toMatchObject({ actor: credentials.clientId, taskId, runId: 0 });
});

describe('roles', () => {
  it('are created, updated and deleted by somebody; what changes nothing has no entry', async () => {
    const roleId = fresh('audited');
    const admin = await test.client('*');
    const by = { actor: admin.credentials?.clientId, taskId: null, runId: null };
    const role = { scopes: ['a'], description: '' };
    await ok(admin.put(rolePath(roleId), role));
    await ok(admin.put(rolePath(roleId), role));
    await ok(admin.post(rolePath(roleId), { ...role, scopes: ['b', 'c'] }));
    await refused((await test.client(`auth:update-role:${roleId}`)).post(rolePath(roleId), { ...role, scopes: ['d'] }), 403);
    await atCommitRefused('role', () => refused(admin.post(rolePath(roleId), { ...role, scopes: ['e'] }), 500));
    for (let twice = 0; twice < 2; twice++) expect((await admin.delete(rolePath(roleId))).status).toBe(204);
    expect(await ofRole(roleId)).toEqual([
      { ...by, kind: 'role-created', detail: { roleId, scopes: ['a'] } },
      { ...by, kind: 'role-updated', detail: { roleId, scopes: ['b', 'c'] } },
      { ...by, kind: 'role-deleted', detail: { roleId } },
    ]);
  });
});

describe('credentials', () => {
  const lent = (taskId: string, actor = 'static/root') => ({
    ...{ kind: 'credentials-lent', actor, taskId, runId: 0 },
    detail: { ...WORKER, takenUntil: expect.any(String), creator: 'static/root', scopes: [] },
  });

  it('of a run are lent to who claims it, and renewed by who reclaims it', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ taskQueueId });
    const worker = await test.client('queue:claim-work:*', 'queue:worker-id:*');
    const claimed = new Tasks(worker, test.database).claimWork(taskQueueId);
    const [{ credentials, takenUntil }] = (await ok(claimed)).tasks;
    const reclaim = await ok(test.root.as(kept(credentials)).post(`/queue/v1/task/${taskId}/runs/0/reclaim`));
    kept(reclaim.credentials);
    const entries = await ofTask(taskId);
    expect(entries).toEqual([
      lent(taskId, worker.credentials?.clientId),
      { ...lent(taskId, credentials.clientId), kind: 'credentials-renewed', detail: { takenUntil: expect.any(String) } },
    ]);
    expect(entries.map(({ detail }) => Date.parse(String(detail?.takenUntil)))).toEqual([takenUntil, reclaim.takenUntil].map(Date.parse));
  });

  it('tell which scopes were lent on whose authority, of thousands only number and digest', async () => {
    const creator = await test.client('queue:create-task:*', 'queue:scheduler-id:*', 'some:*');
    const scopes = Array.from({ length: 1000 }, (_, n) => `some:${n}`);
    const sha256 = createHash('sha256').update(JSON.stringify(scopes)).digest('hex');
    for (const [given, told] of [
      [['some:a', 'some:b*'], { scopes: ['some:a', 'some:b*'] }],
      [scopes, { scopesCount: 1000, scopesSha256: sha256 }],
    ] as const) {
      const taskQueueId = queue();
      const [one, other] = [slugid(), slugid()];
      for (const taskId of [one, other]) await ok(creator.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId, scopes: given })));
      kept((await ok(tasks.claimTask(one))).credentials);
      kept((await ok(tasks.claimWork(taskQueueId))).tasks[0].credentials);
      const detail = { ...WORKER, takenUntil: expect.any(String), creator: creator.credentials?.clientId, ...told };
      for (const taskId of [one, other]) expect((await ofTask(taskId)).map((entry) => entry.detail)).toEqual([detail]);
    }
  });

  it('are lent again to who repeats a claim', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ taskQueueId });
    for (let twice = 0; twice < 2; twice++) await ok(tasks.claimWork(taskQueueId, 1, WORKER, { 'idempotency-key': 'once' }));
    expect(await ofTask(taskId)).toEqual([lent(taskId), lent(taskId)]);
    const named = await tasks.create();
    for (let twice = 0; twice < 2; twice++) kept((await ok(tasks.claimTask(named))).credentials);
    expect(await ofTask(named)).toEqual([lent(named), lent(named)]);
  });

  it('each of several that share a statement has its own actor', async () => {
    const taskQueueId = queue();
    const workers = await Promise.all(Array.from({ length: 4 }, () => test.client('queue:claim-work:*', 'queue:worker-id:*')));
    for (let made = 0; made < 4; made++) await tasks.create({ taskQueueId });
    const claims = await Promise.all(
      workers.map((api, n) => new Tasks(api, test.database).claimWork(taskQueueId, 1, { ...WORKER, workerId: `w${n}` })),
    );
    for (const [n, { body }] of claims.entries()) {
      const [{ status, credentials }] = body.tasks;
      await ok(test.root.as(kept(credentials)).post(`/queue/v1/task/${status.taskId}/runs/0/reclaim`));
      const actors = (await ofTask(status.taskId)).map(({ actor }) => actor);
      expect(actors).toEqual([workers[n]?.credentials?.clientId, credentials.clientId]);
    }
  });

  it('are not lent where that cannot be written down: the task stays pending', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ taskQueueId });
    await atCommitRefused('audit_entry', () => refused(tasks.claimWork(taskQueueId), 500));
    expect(await tasks.state(taskId)).toBe('pending');
    await atCommitRefused('audit_entry', () => refused(tasks.claimTask(taskId), 500));
    expect(await ofTask(taskId)).toEqual([]);
    const { takenUntil } = await ok(tasks.claimTask(taskId));
    await atCommitRefused('audit_entry', () => refused(tasks.reclaim(taskId), 500));
    expect((await tasks.status(taskId)).runs[0].takenUntil).toBe(takenUntil);
  });

  it('are not recorded where none were lent', async () => {
    const taskId = await tasks.create();
    await ok(tasks.claimTask(taskId));
    await ok(tasks.report('completed', taskId));
    await refused(tasks.reclaim(taskId), 409);
    await refused(tasks.claimTask(taskId, 0, { ...WORKER, workerId: 'other' }), 409);
    expect(await ofTask(taskId)).toEqual([lent(taskId)]);
  });

  it('of an artifact are lent for its upload, and to who downloads it', async () => {
    const taskId = await tasks.create();
    const { credentials } = await ok(tasks.claimTask(taskId));
    const run = test.root.as(kept(credentials));
    const path = `/queue/v1/task/${taskId}/runs/0/artifacts/${encodeURIComponent('public/a')}`;
    const expires = inMs(3_600_000);
    const created = await ok(run.post(path, { storageType: 'object', contentType: 'text/plain', expires }));
    kept(created.credentials);
    const { name, projectId, uploadId } = created;
    const object = test.root.as(created.credentials);
    const data = Buffer.from('hello').toString('base64');
    const proposedUploadMethods = { dataInline: { contentType: 'text/plain', objectData: data } };
    await object.put(`/api/object/v1/upload/${encodeURIComponent(name)}`, { projectId, uploadId, expires, proposedUploadMethods });
    await object.post(`/api/object/v1/finish-upload/${encodeURIComponent(name)}`, { projectId, uploadId, hashes: {} });
    await run.put(path, { uploadId });
    kept((await ok(test.root.get(path.replace('/artifacts/', '/artifact-content/')))).credentials);
    await test.role('anonymous', 'queue:get-artifact:public/*');
    kept((await ok(test.root.as().get(path.replace('/artifacts/', '/artifact-content/')))).credentials);
    await test.root.delete(rolePath('anonymous'));
    const one = { kind: 'artifact-credentials-lent', taskId, runId: 0 };
    expect((await ofTask(taskId)).slice(1)).toEqual([
      { ...one, actor: credentials.clientId, detail: { name: 'public/a', to: 'upload' } },
      { ...one, actor: 'static/root', detail: { name: 'public/a', to: 'download' } }, // nobody is told of who needed no credentials
    ]);
  });
});

describe('refusals', () => {
  const since = async (work: () => Promise<unknown>) => {
    await refusals().write();
    const { rows } = await test.database.pool.query('select coalesce(max(id), 0) as last from audit_entry');
    await work();
    await refusals().write();
    return written('id > $1', rows[0].last);
  };

  it('who lacks scopes is known, and so is what they asked for', async () => {
    const api = await test.client('irrelevant');
    const taskId = slugid();
    const entries = await since(() => refused(api.post(`/queue/v1/task/${taskId}/runs/3/reclaim`), 403));
    expect(entries).toEqual([
      {
        ...{ kind: 'authorization-refused', actor: api.credentials?.clientId, taskId: null, runId: null },
        detail: { operation: 'reclaimTask', taskId, runId: 3 },
      },
    ]);
  });

  it('of a run it is known which run it was, whatever it asked for', async () => {
    const [own, other] = [await tasks.create(), await tasks.create()];
    const { credentials } = await ok(tasks.claimTask(own));
    const run = test.root.as(kept(credentials));
    const entries = await since(() => refused(run.post(`/queue/v1/task/${other}/runs/0/reclaim`), 403));
    expect(entries).toEqual([
      {
        ...{ kind: 'authorization-refused', actor: credentials.clientId, taskId: own, runId: 0 },
        detail: { operation: 'reclaimTask', taskId: other, runId: 0 },
      },
    ]);
  });

  it('of exchanges, revocations and authenticateHawk, too, as far as somebody was not believed or not entitled', async () => {
    const taskId = await tasks.create({ scopes: ['some:*'] });
    const { credentials } = await ok(tasks.claimTask(taskId));
    const run = test.root.as(kept(credentials));
    const client = await test.client('irrelevant');
    const { issuer } = await ok(run.as().get('/.well-known/openid-configuration'));
    const token = await tokenOf(run, { scope: 'some:thing' });
    secrets.push(token);
    const ofRun = { actor: credentials.clientId, taskId, runId: 0 };
    const ofClient = { actor: client.credentials?.clientId, taskId: null, runId: null };
    const one = async (work: () => Promise<unknown>) =>
      (await since(work)).map(({ kind, detail, ...who }) => ({ kind, ...who, ...detail }));
    const refusedBy = { kind: 'authorization-refused', operation: 'exchangeToken' };
    expect(await one(() => exchange(run, { scope: 'not:held' }))).toEqual([{ ...refusedBy, ...ofRun, error: 'invalid_scope' }]);
    expect(await one(() => exchange(client))).toEqual([{ ...refusedBy, ...ofClient, error: 'unauthorized_client' }]);
    expect(await one(() => exchange(run, { scope: 'some:thing' }, { authorizedScopes: ['some:thing'] }))).toMatchObject([
      { ...refusedBy, ...ofRun, error: 'invalid_target' },
    ]);
    expect(await one(() => exchange(run, { audience: undefined }))).toEqual([]); // a mistake
    expect(await one(() => postForm(client, '/oauth/revoke', { token }))).toMatchObject([
      { kind: 'authorization-refused', ...ofClient, operation: 'revokeToken' },
    ]);
    const ours = await tokenOf(run, { audience: issuer });
    const prover = await Prover.make();
    const stolen = { subject_token: ours, subject_token_type: TYPE('access_token') };
    const headers = { dpop: await prover.proof('POST', '/elsewhere') };
    expect(await one(() => exchange(run, {}, { headers }))).toMatchObject([
      { kind: 'authentication-refused', ...ofRun, operation: 'exchangeToken', error: 'invalid_dpop_proof' },
    ]);
    await ok(tasks.report('completed', taskId));
    const byToken = { actor: expect.any(String), taskId, runId: 0 };
    const bearer = { authorization: `Bearer ${ours}` };
    expect(await one(() => refused(test.root.get('/auth/v1/scopes/current', bearer), 401))).toMatchObject([
      { kind: 'authentication-refused', ...byToken, operation: 'currentScopes' },
    ]);
    expect(await one(() => exchange(test.root.as(), stolen))).toMatchObject([
      { kind: 'authentication-refused', ...byToken, operation: 'exchangeToken' },
    ]);
    const subject = { subject_token: token, subject_token_type: TYPE('access_token') };
    expect(await one(() => exchange(test.root.as(), subject))).toMatchObject([
      { kind: 'authentication-refused', operation: 'exchangeToken' },
    ]);
    const resource = `/api/queue/v1/task/${taskId}/status`;
    const { hostname: host, port } = new URL(run.url);
    const hawk = { method: 'get', resource, host, port: Number(port), authorization: run.authorizationFor('get', resource) };
    expect(await one(() => ok(test.root.as().post('/auth/v1/authenticate-hawk', hawk)))).toEqual([
      { kind: 'authentication-refused', ...ofRun, operation: 'authenticateHawk' },
    ]);
  });

  it('none of a run is hidden by those of another', async () => {
    refusals().tell();
    const made = await Promise.all(Array.from({ length: 2 }, () => tasks.create()));
    const [noisy, quiet] = await Promise.all(
      made.map(async (taskId) => test.root.as(kept((await ok(tasks.claimTask(taskId))).credentials))),
    );
    const entries = await since(async () => {
      for (let times = 0; times < 15; times++) await refused(noisy!.get('/auth/v1/clients'), 403);
      await refused(quiet!.put(rolePath('evil/admin'), { scopes: ['*'], description: '' }), 403);
    });
    expect(entries.map(({ taskId }) => taskId)).toEqual([...Array.from({ length: 10 }, () => made[0]), made[1]]);
    const counted = await since(async () => refusals().tell());
    expect(counted).toMatchObject([{ kind: 'refusals-omitted', detail: { by: `task-run:${made[0]}/0`, count: 5 } }]);
  });

  it('are not lost while the database is away: what there is no room for is counted', async () => {
    refusals().tell();
    await refusals().write();
    const client = await test.client('irrelevant');
    const before = await written(`kind = 'authorization-refused' and actor = $1`, client.credentials?.clientId);
    await test.database.pool.query('alter table audit_entry rename to audit_entry_away');
    await refused(client.get('/auth/v1/clients'), 403);
    await refusals().write();
    await test.database.pool.query('alter table audit_entry_away rename to audit_entry');
    await refusals().write();
    expect(await written(`kind = 'authorization-refused' and actor = $1`, client.credentials?.clientId)).toHaveLength(before.length + 1);
  });

  it('of credentials of a run that is over it is known whose they were', async () => {
    const taskId = await tasks.create();
    const { credentials } = await ok(tasks.claimTask(taskId));
    await ok(tasks.report('completed', taskId));
    const entries = await since(() => refused(test.root.as(kept(credentials)).get(`/queue/v1/task/${taskId}/status`), 401));
    expect(entries).toMatchObject([{ kind: 'authentication-refused', actor: credentials.clientId, taskId }]);
  });

  it('who cannot prove a name is nobody', async () => {
    const forger = test.root.as({ clientId: 'static/root', accessToken: 'x'.repeat(44) });
    const queue = test.root.as({ clientId: QUEUE_ISSUER, accessToken: 'y'.repeat(44) });
    const entries = await since(async () => {
      for (const api of [forger, queue]) await refused(api.get('/auth/v1/clients'), 401);
    });
    const one = { kind: 'authentication-refused', actor: null, taskId: null, runId: null, detail: { operation: 'listClients' } };
    expect(entries).toEqual([one, one]);
  });

  it('what was sent for a name is not repeated', async () => {
    const api = await test.client('irrelevant');
    const entries = await since(() => api.get(`/queue/v1/task/${encodeURIComponent('a secret pasted here')}/status`));
    expect(entries).toMatchObject([{ actor: api.credentials?.clientId, taskId: null, detail: { operation: 'status' } }]);
  });

  it('a flood leaves ten entries and a number, and strangers who lack scopes only the number', async () => {
    refusals().tell();
    const client = await test.client('irrelevant');
    const entries = await since(async () => {
      const ask = (api: Api) => refused(api.get('/auth/v1/clients'), 403);
      for (let times = 0; times < 10; times++)
        await Promise.all(Array.from({ length: 10 }, () => Promise.all([ask(client), ask(test.root.as())])));
    });
    expect(entries).toHaveLength(10);
    expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set([client.credentials?.clientId]));
    const counted = await since(async () => refusals().tell());
    const omitted = (by: string | undefined, count: number) => ({
      ...{ kind: 'refusals-omitted', actor: null, taskId: null, runId: null },
      detail: { of: 'authorization-refused', by, count },
    });
    expect(counted).toHaveLength(2);
    expect(counted).toEqual(
      expect.arrayContaining([omitted(client.credentials?.clientId, 90), omitted('callers without credentials', 100)]),
    );
    expect(await since(async () => refusals().tell())).toEqual([]);
  });

  it('temporary credentials under many names take of the client that issued them', async () => {
    const { credentials } = await test.client('auth:create-client:many/*');
    const span = { start: new Date(Date.now() - 60_000), expiry: new Date(Date.now() + 600_000), scopes: [] };
    const entries = await since(async () => {
      for (let n = 0; n < 12; n++) {
        const made = taskcluster.createTemporaryCredentials({ ...span, clientId: `many/${n}`, credentials: credentials! });
        await refused(test.root.as(kept(made)).get('/auth/v1/clients'), 403);
      }
    });
    expect(entries).toHaveLength(10);
    expect(new Set(entries.map(({ actor }) => actor)).size).toBe(10);
  });
});

describe('the log as it is read', () => {
  it('tells what was written, to who may', async () => {
    const clientId = fresh('audited');
    const began = inMs(-1_000);
    kept(await ok(test.root.put(clientPath(clientId), wish({ scopes: ['a'] }))));
    await ok(test.root.post(clientPath(clientId, '/disable')));
    const reader = await test.client('auth:read-audit');
    const entries = await read(`since=${began}&actor=static%2Froot`, reader);
    const own = entries.filter(({ detail }: Written) => detail?.clientId === clientId);
    expect(own.map(({ kind }: Written) => kind)).toEqual(['client-created', 'client-disabled']);
    expect(own[1].seq).toBe(own[0].seq + 1);
    expect(own[0]).not.toHaveProperty('taskId');
    await refused((await test.client('auth:list-clients')).get('/auth/v1/audit'), 403);
  });

  it('begins where it is to begin, however much came before', async () => {
    await read('');
    const { rows } = await test.database.pool.query(
      `select row_number() over (order by tx, id) as seq, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
         from audit_entry where (tx, id) <= (select tx, id from audit_mark where name = 'sealed')`,
    );
    for (const { at } of rows.filter((_, n) => n % 7 === 0)) {
      const expected = rows.filter((row) => row.at >= at).map(({ seq }) => Number(seq));
      expect((await read(`since=${at}`)).map(({ seq }: { seq: number }) => seq)).toEqual(expect.arrayContaining(expected));
    }
  });

  it.each(['taskId=x', 'actor=%20', 'kind=Client', 'since=yesterday', 'until=2026-01-01T00:00:00Z', 'continuationToken=WyJ4Il0'])(
    'refuses %s',
    async (query) => {
      await refused(test.root.get(`/auth/v1/audit?${query}`), 400);
    },
  );
});

describe('registry tokens', () => {
  const told = (jti: unknown) => written(`kind = 'registry-token-issued' and detail->>'jti' = $1`, jti);
  const tokenFor = async (api: Api, scope: string) => {
    const { token } = await ok(api.get(`/registry/token?scope=${scope}`));
    secrets.push(token);
    return claimsOf(token);
  };

  it('are told with what they are good for, of runs and of clients', async () => {
    const taskId = await tasks.create({ scopes: ['registry:push:team/app'] });
    const { credentials } = await ok(tasks.claimTask(taskId));
    const access = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }];
    const of = ({ jti, aud, exp }: { jti: string; aud?: unknown; exp: number }) => ({ detail: { jti, service: aud, exp, access } });
    const claims = await tokenFor(test.root.as(kept(credentials)), 'repository:team/app:*');
    const run = { kind: 'registry-token-issued', actor: `task-run:${taskId}/0`, taskId, runId: 0 };
    expect(await told(claims.jti)).toEqual([{ ...run, ...of(claims) }]);
    const client = await test.client('registry:push:team/*');
    const others = await tokenFor(client, 'repository:team/app:push,pull');
    expect(await told(others.jti)).toEqual([{ ...run, actor: client.credentials?.clientId, taskId: null, runId: null, ...of(others) }]);
  });

  it('are not told where they are good for nothing, nor of who has no credentials', async () => {
    await test.role('anonymous', 'registry:pull:public/*');
    const mine = await tokenFor(await test.client(), 'repository:team/app:pull');
    const everybodys = await tokenFor(test.root.as(), 'repository:public/app:pull');
    expect([mine.access, (everybodys.access as unknown[]).length]).toEqual([[], 1]);
    expect([await told(mine.jti), await told(everybodys.jti)]).toEqual([[], []]);
    expect((await test.root.delete(rolePath('anonymous'))).status).toBe(204);
  });

  it('are given only together with their entry', async () => {
    await atCommitRefused('audit_entry', () => refused(test.root.get('/registry/token?scope=repository:a:pull'), 500));
  });
});

describe('tokens', () => {
  it('are issued to a run, and revoked by somebody', async () => {
    const taskId = await tasks.create({ scopes: ['some:*'] });
    const { credentials } = await ok(tasks.claimTask(taskId));
    const run = test.root.as(kept(credentials));
    const token = await tokenOf(run, { audience: 'https://api.example.com', scope: 'some:thing' });
    secrets.push(token);
    const { jti, exp } = claimsOf(token);
    const of = { taskId, runId: 0 };
    const detail = { jti, exp, type: 'at+jwt', audience: 'https://api.example.com', worker: 'group/worker', scopes: ['some:thing'] };
    const issued = () => written(`task_id = $1 and kind like 'token-%'`, taskId);
    expect(await issued()).toEqual([{ ...of, kind: 'token-issued', actor: `task-run:${taskId}/0`, detail }]);
    expect((await exchange(run, { scope: 'not:held' })).status).toBe(400);
    const admin = await test.client('auth:revoke-token');
    for (let n = 0; n < 2; n++) expect((await postForm(admin, '/oauth/revoke', { token })).status).toBe(200);
    expect((await issued()).slice(1)).toEqual([{ ...of, kind: 'token-revoked', actor: admin.credentials?.clientId, detail: { jti } }]);
  });

  it('are signed by keys that somebody rotates, or calls compromised', async () => {
    const admin = await test.client('auth:*');
    const by = { actor: admin.credentials?.clientId, taskId: null, runId: null };
    const [former] = (await ok(admin.get('/auth/v1/keys'))).keys.filter(({ alg }: { alg: string }) => alg === 'RS256');
    const next = await ok(admin.post('/auth/v1/keys/RS256/rotate'));
    await refused(admin.post('/auth/v1/keys/RS256/rotate'), 409);
    for (let n = 0; n < 2; n++) await ok(admin.post(`/auth/v1/keys/${former.kid}/compromise`));
    expect(await written(`kind like 'key-%'`)).toEqual([
      { ...by, kind: 'key-rotated', detail: { alg: 'RS256', kid: next.kid, former: former.kid } },
      { ...by, kind: 'key-compromised', detail: { alg: 'RS256', kid: former.kid } },
    ]);
  });
});

it('scopes that a run loses are told', async () => {
  const creator = await test.client('queue:create-task:*', 'queue:scheduler-id:*', 'some:*', 'other:thing');
  const taskId = slugid();
  await ok(creator.put(`/queue/v1/task/${taskId}`, definition({ scopes: ['some:thing', 'other:thing'] })));
  kept((await ok(tasks.claimTask(taskId))).credentials);
  const clientId = creator.credentials?.clientId as string;
  await ok(test.root.post(clientPath(clientId), wish({ scopes: ['queue:create-task:*', 'some:*'] })));
  kept((await ok(tasks.reclaim(taskId))).credentials);
  const detail = { runId: 0, creator: clientId, because: 'scopes-lost', lost: ['other:thing'], lostCount: 1 };
  expect(await written(`task_id = $1 and kind = 'scopes-reduced'`, taskId)).toEqual([
    { kind: 'scopes-reduced', actor: null, taskId, runId: 0, detail },
  ]);
});

describe('signature policies', () => {
  const ofQueue = (taskQueueId: string) => written(`detail->>'taskQueueId' = $1 and kind = 'signature-policy-set'`, taskQueueId);

  it('are set by somebody, with whose signatures are believed', async () => {
    const taskQueueId = queue();
    const admin = await test.client('queue:set-signature-policy:*');
    const put = (body: object) => admin.put(policyPath(taskQueueId), body);
    const keySet = keySetOf(4, { kid: 'one' }, { kid: 'two' });
    await ok(put({ policy: 'warn' }));
    const { keySetDigest } = await ok(put({ policy: 'require', keySet }));
    await ok(put({ policy: 'off' }));
    const by = { kind: 'signature-policy-set', actor: admin.credentials?.clientId, taskId: null, runId: null };
    const keys = { keySetVersion: 4, keySetDigest, kids: ['one', 'two'] };
    const expected = [
      { ...by, detail: { taskQueueId, former: 'off', policy: 'warn' } },
      { ...by, detail: { taskQueueId, former: 'warn', policy: 'require', ...keys } },
      { ...by, detail: { taskQueueId, former: 'require', policy: 'off', ...keys } },
    ];
    expect(await ofQueue(taskQueueId)).toEqual(expected);
    await ok(put({ policy: 'off', keySet })); // as it is
    await refused(put({ policy: 'require', keySet: keySetOf(3, {}) }), 409);
    await refused(put({ policy: 'require', keySet: { ...keySet, version: 5, expires: 1 } }), 400);
    expect(await ofQueue(taskQueueId)).toEqual(expected);
    expect(await ofQueue(queue())).toEqual([]);
  });

  it('are told by the number of keys where their names would be long', async () => {
    const taskQueueId = queue();
    const keySet = keySetOf(1, ...Array.from({ length: 40 }, (_, n) => ({ kid: `${n}-`.padEnd(128, 'x') })));
    await ok(test.root.put(policyPath(taskQueueId), { policy: 'warn', keySet }));
    const [entry] = await ofQueue(taskQueueId);
    expect(entry?.detail).toMatchObject({ keySetVersion: 1, kidsCount: 40 });
    expect(entry?.detail).not.toHaveProperty('kids');
  });

  it('a run that sets one is named', async () => {
    const taskQueueId = queue();
    const taskId = await tasks.create({ scopes: [`queue:set-signature-policy:${taskQueueId}`] });
    const { credentials } = await ok(tasks.claimTask(taskId));
    await ok(test.root.as(kept(credentials)).put(policyPath(taskQueueId), { policy: 'warn' }));
    expect(await ofQueue(taskQueueId)).toMatchObject([{ actor: credentials.clientId, taskId, runId: 0 }]);
  });

  it('change only together with their entry', async () => {
    const taskQueueId = queue();
    const body = { policy: 'require', keySet: keySetOf(1, {}) };
    await atCommitRefused('audit_entry', () => refused(test.root.put(policyPath(taskQueueId), body), 500));
    expect((await ok(test.root.get(policyPath(taskQueueId)))).policy).toBe('off');
  });
});

it('each kind was seen', () => {
  expect([...seen].sort()).toEqual([...AUDIT_KINDS].sort());
});

it('no secret is in it', async () => {
  const { rows } = await test.database.pool.query(`select string_agg(entry::text, ' ') as all from audit_entry as entry`);
  expect(secrets.length).toBeGreaterThan(20);
  expect(rows[0].all.length).toBeGreaterThan(5_000);
  for (const secret of secrets) expect(rows[0].all.includes(secret)).toBe(false);
  expect(rows[0].all).not.toMatch(/hawk id=|accessToken|certificate|signature(?!-policy)|mac="/i);
});

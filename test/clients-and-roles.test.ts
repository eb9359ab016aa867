import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ClientsService } from '../src/service/auth/clients.service.js';
import { sealToken } from '../src/service/auth/token-cipher.js';
import { deriveKeys } from '../src/service/keys.js';
import { type Answer, Api, type Credentials, definition, slugid } from './support/api.js';
import { MASTER_KEY, startTestService, type TestService } from './support/test-service.js';

const DAY = 86_400_000;

let test: TestService;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600 });
});
afterAll(() => test.close());

const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const wish = (more: object = {}) => ({ expires: inMs(DAY), description: 'of a test', ...more });
const at = (clientId: string, verb = '') => `/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;
const role = (roleId: string) => `/auth/v1/roles/${encodeURIComponent(roleId)}`;
let names = 0;
const fresh = (prefix = 'crud') => `${prefix}/${names++}`;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that something still refers to. */
function heldMemory(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

async function made(clientId: string, more: object = {}): Promise<Api> {
  const { status, body } = await test.root.put(at(clientId), wish(more));
  expect(status).toBe(200);
  return test.root.as({ clientId, accessToken: body.accessToken });
}

async function makeRole(roleId: string, scopes: string[], description = ''): Promise<void> {
  expect(await test.root.put(role(roleId), { scopes, description })).toMatchObject({ status: 200 });
}

const expectCode = ({ status, body }: Answer, code: string) => {
  const statuses = {
    InputError: 400,
    InputValidationError: 400,
    InvalidRequestArguments: 400,
    InsufficientScopes: 403,
    AuthenticationFailed: 401,
  };
  const others = { ResourceNotFound: 404, RequestConflict: 409 };
  expect({ status, code: body.code }).toEqual({ status: { ...statuses, ...others }[code], code });
};

async function until(done: () => Promise<boolean> | boolean, withinMs: number): Promise<number> {
  const began = Date.now();
  while (!(await done())) {
    if (Date.now() > began + withinMs) throw new Error(`not within ${withinMs} ms`);
    await new Promise((go) => setTimeout(go, 10));
  }
  return Date.now() - began;
}

describe('to give scopes', () => {
  it('a broader scope may give a narrower one, through a role as well', async () => {
    await makeRole('giver', ['x:*', 'auth:create-client:by-role/*']);
    const giver = await test.client('assume:giver');
    expect(await giver.put(at('by-role/a'), wish({ scopes: ['x:1'] }))).toMatchObject({ status: 200 });
    expectCode(await giver.put(at('by-role/b'), wish({ scopes: ['x*'] })), 'InsufficientScopes');
    expectCode(await giver.put(at('other/b'), wish()), 'InsufficientScopes');
  });

  it('scopes that stay need not be held, but those taken away count as new', async () => {
    const id = fresh();
    await made(id, { scopes: ['mine', 'yours'] });
    const updater = await test.client(`auth:update-client:${id}`, 'mine');
    expect((await updater.post(at(id), wish({ scopes: ['mine', 'yours'] }))).body.scopes).toEqual(['mine', 'yours']);
    expect((await updater.post(at(id), wish({ scopes: ['mine'] }))).body.scopes).toEqual(['mine']);
    expectCode(await updater.post(at(id), wish({ scopes: ['mine', 'yours'] })), 'InsufficientScopes');
    expect((await updater.post(at(id), wish())).body.scopes).toEqual(['mine']); // absent: unchanged
    expect((await updater.post(at(id), wish({ scopes: [] }))).body.scopes).toEqual([]);
  });

  it('the refusal names what is missing', async () => {
    const caller = await test.client('auth:create-client:*', 'have:*');
    const { body } = await caller.put(at(fresh()), wish({ scopes: ['have:this', 'lack:this'] }));
    const [missing = '', required = ''] = body.message.split('Required:');
    expect(missing).toContain('lack:this');
    expect(missing).not.toContain('have:this');
    expect(required).toContain('have:this');
  });
});

describe('clients', () => {
  it('are created with an access token that is shown once', async () => {
    const id = fresh();
    const { body } = await test.root.put(at(id), wish({ scopes: ['b', 'a'], deleteOnExpiration: true }));
    expect(body).toMatchObject({ clientId: id, scopes: ['b', 'a'], expandedScopes: ['a', 'b'], deleteOnExpiration: true, disabled: false });
    expect(body.accessToken).toMatch(/^[A-Za-z0-9_-]{44}$/);
    for (const { body: shown } of [
      await test.root.get(at(id)),
      await test.root.post(at(id), wish()),
      await test.root.post(at(id, '/enable')),
    ]) {
      expect(shown.clientId).toBe(id);
      expect(JSON.stringify(shown)).not.toContain(body.accessToken);
    }
    const list = await test.root.get('/auth/v1/clients');
    expect(JSON.stringify(list.body)).not.toContain(body.accessToken);
  });

  it('have their access token encrypted in the table, each under its own id', async () => {
    const [one, other] = [await made(fresh()), await made(fresh())].map((api) => api.credentials as Credentials) as [
      Credentials,
      Credentials,
    ];
    const { rows } = await test.database.pool.query('select client::text as row, access_token from client where client_id = any($1)', [
      [one.clientId, other.clientId],
    ]);
    expect(rows).toHaveLength(2);
    for (const { accessToken } of [one, other]) {
      for (const { row, access_token } of rows) {
        for (const text of [row, access_token.toString('latin1'), access_token.toString('base64')]) {
          expect(text).not.toContain(accessToken);
          expect(text).not.toContain(Buffer.from(accessToken).toString('hex'));
          expect(text).not.toContain(accessToken.slice(0, 12));
        }
      }
    }
    expect(rows[0].access_token.length).toBe(12 + 16 + 44);
    // whoever can write to the table but lacks the master key cannot put one client's token under another's id
    await test.database.pool.query(
      'update client set access_token = (select access_token from client where client_id = $1) where client_id = $2',
      [one.clientId, other.clientId],
    );
    await makeRole(fresh('reload'), []);
    expectCode(await test.root.as({ ...one, clientId: other.clientId }).get('/auth/v1/scopes/current'), 'AuthenticationFailed');
    expect(await test.root.get(at(other.clientId))).toMatchObject({ status: 200, body: { disabled: true } });
    expectCode(await test.root.as(one).get('/auth/v1/scopes/current'), 'InsufficientScopes'); // everybody else goes on
    const { body } = await test.root.post(at(other.clientId, '/reset'));
    expectCode(
      await test.root.as({ clientId: other.clientId, accessToken: body.accessToken }).get('/auth/v1/scopes/current'),
      'InsufficientScopes',
    );
  });

  it('get another access token by reset, and the old one ends', async () => {
    const old = await made(fresh(), { scopes: ['auth:current-scopes'] });
    const id = old.credentials!.clientId;
    const before = (await test.root.get(at(id))).body;
    const { body } = await test.root.post(at(id, '/reset'));
    expect(body.accessToken).not.toBe(old.credentials!.accessToken);
    expect(Date.parse(body.lastRotated)).toBeGreaterThan(Date.parse(before.lastRotated));
    expectCode(await old.get('/auth/v1/scopes/current'), 'AuthenticationFailed');
    expect(await old.as({ clientId: id, accessToken: body.accessToken }).get('/auth/v1/scopes/current')).toMatchObject({ status: 200 });
  });

  it('exist once', async () => {
    const id = fresh();
    const first = wish({ scopes: ['a'] });
    const answers = await Promise.all([1, 2, 3, 4].map(() => test.root.put(at(id), first)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    expectCode(await test.root.put(at(id), first), 'RequestConflict');
    const winner = answers.find(({ status }) => status === 200)!;
    const caller = test.root.as({ clientId: id, accessToken: winner.body.accessToken });
    expectCode(await caller.get('/auth/v1/scopes/current'), 'InsufficientScopes');
  });

  it('are deleted once or twice', async () => {
    const id = fresh();
    const caller = await made(id);
    for (const _ of [1, 2]) expect(await test.root.delete(at(id))).toMatchObject({ status: 204, body: {} });
    expectCode(await caller.get('/auth/v1/scopes/current'), 'AuthenticationFailed');
    expectCode(await test.root.get(at(id)), 'ResourceNotFound');
  });

  it('must exist to be changed', async () => {
    const id = fresh();
    expectCode(await test.root.get(at(id)), 'ResourceNotFound');
    expectCode(await test.root.post(at(id), wish()), 'ResourceNotFound');
    for (const verb of ['/reset', '/enable', '/disable']) expectCode(await test.root.post(at(id, verb)), 'ResourceNotFound');
  });

  it.each(['static/root', 'static/leasehold/queue', 'static/none'])('of configuration are left alone: %s', async (id) => {
    const calls = [
      test.root.put(at(id), wish()),
      test.root.post(at(id), wish()),
      test.root.delete(at(id)),
      ...['/reset', '/enable', '/disable'].map((verb) => test.root.post(at(id, verb))),
    ];
    for (const answer of await Promise.all(calls)) {
      expectCode(answer, 'InputError');
      expect(answer.body.message).toContain('STATIC_CLIENTS');
    }
  });

  it('are removed after they expired if they asked for it', async () => {
    const past = { expires: inMs(-1000) };
    const [goes, stays] = [fresh(), fresh()];
    await made(goes, { ...past, deleteOnExpiration: true });
    await made(stays, past);
    await test.service.app.get(ClientsService).removeExpired();
    expectCode(await test.root.get(at(goes)), 'ResourceNotFound');
    expect(await test.root.get(at(stays))).toMatchObject({ status: 200 });
  });

  it('are removed in small batches, without waiting for one that is being changed', async () => {
    const version = async () => Number((await test.database.pool.query('select version from auth_version')).rows[0].version);
    const remove = () => test.service.app.get(ClientsService).removeExpired();
    await test.database.pool.query(
      `insert into client (client_id, access_token, scopes, description, expires, delete_on_expiration)
       select 'crowd/' || nth, '', '{}', '', now() - interval '1 s', true from generate_series(1, 250) as nth`,
    );
    const busy = await test.database.pool.connect();
    try {
      await busy.query('begin');
      await busy.query(`select from client where client_id = 'crowd/7' for update`);
      const before = await version();
      expect([await remove(), await remove(), await remove()]).toEqual(['more', 'done', 'done']);
      expect(await version()).toBe(before + 2);
    } finally {
      await busy.query('rollback');
      busy.release();
    }
    const { rows } = await test.database.pool.query(`select client_id from client where client_id like 'crowd/%'`);
    expect(rows).toEqual([{ client_id: 'crowd/7' }]);
    expect(await remove()).toBe('done');
    expectCode(await test.root.get(at('crowd/7')), 'ResourceNotFound');
  });

  it('expire to the millisecond, whatever the offset they were given', async () => {
    for (const [expires, stored] of [
      ['2030-01-01T00:00:00.9999999Z', '2030-01-01T00:00:00.999Z'],
      ['2030-01-01t12:00:00z', '2030-01-01T12:00:00.000Z'],
      ['2030-01-01T12:00:00+23:59', '2029-12-31T12:01:00.000Z'],
      ['2028-02-29T00:00:00-12:30', '2028-02-29T12:30:00.000Z'],
      ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
      ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
    ]) {
      const { body } = await test.root.put(at(fresh()), wish({ expires }));
      expect(body.expires).toBe(stored);
    }
  });

  const longest = 'x'.repeat(10_240);
  it.each([
    ['expires', { expires: undefined }],
    ['expires', { expires: 'tomorrow' }],
    ['expires', { expires: 1_800_000_000 }],
    ['expires', { expires: '2030-01-01' }],
    ['expires', { expires: '2030-02-30T00:00:00Z' }],
    ['expires', { expires: '2029-02-29T00:00:00Z' }],
    ['expires', { expires: '0000-01-01T00:00:00Z' }],
    ['expires', { expires: '9999-12-31T23:59:59-01:00' }],
    ['expires', { expires: '2030-01-01T24:00:00Z' }],
    ['expires', { expires: '2030-01-01T00:00:60Z' }],
    ['expires', { expires: null }],
    ['description', { description: undefined }],
    ['description', { description: `${longest}x` }],
    ['description', { description: 'a\0b' }],
    ['deleteOnExpiration', { deleteOnExpiration: 'yes' }],
    ['deleteOnExpiration', { deleteOnExpiration: null }],
    ['scopes', { scopes: 'a' }],
    ['scopes', { scopes: ['a', 'a'] }],
    ['scopes', { scopes: [1] }],
    ['scopes', { scopes: null }],
    ['scopes', { scopes: { length: 1, 0: 'a' } }],
    ['accessToken', { accessToken: 'x'.repeat(44) }],
    ['disabled', { disabled: true }],
    ['__defineGetter__', { __defineGetter__: 1 }],
  ])('are refused with a message that names %s: %j', async (field, change) => {
    const id = fresh();
    const count = async () => (await test.database.pool.query('select count(*), (select version from auth_version) from client')).rows[0];
    const before = await count();
    for (const answer of [await test.root.put(at(id), wish(change)), await test.root.post(at('test/client-0'), wish(change))]) {
      expectCode(answer, 'InputValidationError');
      expect(answer.body.message).toMatch(new RegExp(`\\* (each value in )?${field} `));
    }
    expect(await count()).toEqual(before);
  });

  it('may have the longest description and id there can be', async () => {
    const id = 'i'.repeat(1024);
    expect((await test.root.put(at(id), wish({ description: longest }))).body).toMatchObject({ clientId: id, description: longest });
    expectCode(await test.root.put(at(`${id}i`), wish()), 'InvalidRequestArguments');
  });

  it.each(['a b', 'a*', 'a"b', 'ä', 'a\\b', 'a?b', 'a\0'])('are not called %j', async (id) => {
    expectCode(await test.root.put(at(id), wish()), 'InvalidRequestArguments');
    expectCode(await (await test.client()).get(at(id)), 'InsufficientScopes');
  });
});

describe('roles', () => {
  const put = (roleId: string, scopes: string[], description = '') => test.root.put(role(roleId), { scopes, description });
  const expand = async (...scopes: string[]) => (await test.root.post('/auth/v1/scopes/expand', { scopes })).body.scopes;

  it('are created again if they are the same, and a conflict if not', async () => {
    const id = fresh();
    const { body } = await put(id, ['b', 'a'], 'same');
    expect(body).toMatchObject({ roleId: id, scopes: ['a', 'b'], expandedScopes: ['a', `assume:${id}`, 'b'], description: 'same' });
    expect(await put(id, ['a', 'b'], 'same')).toMatchObject({
      status: 200,
      body: { created: body.created, lastModified: body.lastModified },
    });
    expectCode(await put(id, ['a'], 'same'), 'RequestConflict');
    expectCode(await put(id, ['a', 'b'], 'other'), 'RequestConflict');
    expect((await test.root.get(role(id))).body).toEqual(body);
  });

  it('must exist to be read or updated, and need not to be deleted', async () => {
    const id = fresh();
    expectCode(await test.root.get(role(id)), 'ResourceNotFound');
    expectCode(await test.root.post(role(id), { scopes: [], description: '' }), 'ResourceNotFound');
    for (const _ of [1, 2]) expect(await test.root.delete(role(id))).toMatchObject({ status: 204 });
  });

  it('grant through one another', async () => {
    const [a, b, c] = [fresh(), fresh(), fresh()];
    await makeRole(c, ['deep']);
    await makeRole(b, [`assume:${c}`]);
    await makeRole(a, [`assume:${b}`]);
    expect(await expand(`assume:${a}`)).toContain('deep');
    await test.root.delete(role(b));
    expect(await expand(`assume:${a}`)).not.toContain('deep');
  });

  it('with a parameter insert it', async () => {
    await makeRole('repo:gh/*', ['secrets:get:<..>', 'x:<..>/y', 'fixed']);
    const parts = async (scope: string) => (await expand(scope)).filter((one: string) => !one.startsWith('assume:'));
    expect(await parts('assume:repo:gh/a')).toEqual(['fixed', 'secrets:get:a', 'x:a/y']);
    expect(await parts('assume:repo:gh/b*')).toEqual(['fixed', 'secrets:get:b*', 'x:b*']);
    expect(await parts('assume:repo:*')).toEqual(['fixed', 'secrets:get:*', 'x:*']);
    expect(await parts('assume:repo:other')).toEqual([]);
    await makeRole('no-star', ['literal:<..>']);
    expect(await parts('assume:no-star')).toEqual(['literal:<..>']);
  });

  it.each([
    ['it grants itself', ['assume:cyclic:self'], 'cyclic:self'],
    ['it grants all roles', ['*'], 'cyclic:star'],
    ['it grants all roles', ['assume:*'], 'cyclic:star'],
    ['its parameter leads back', ['assume:cyclic:p<..>'], 'cyclic:*'],
    ['two parameters in one scope', ['a:<..>:<..>'], 'two:*'],
    ['a star before the parameter', ['a:*<..>'], 'star:*'],
    ['two stars', ['a:**'], 'double'],
  ])('are refused where %s', async (_, scopes, id) => {
    const answer = await put(id, scopes);
    expectCode(answer, 'InputError');
    expectCode(await test.root.get(role(id)), 'ResourceNotFound');
  });

  it('are refused where they would close a circle, by two writers at once as well', async () => {
    const [a, b] = [fresh(), fresh()];
    await makeRole(a, [`assume:${b}`]);
    expectCode(await put(b, [`assume:${a}`]), 'InputError');
    const [c, d] = [fresh(), fresh()];
    const answers = await Promise.all([put(c, [`assume:${d}`]), put(d, [`assume:${c}`])]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    const first = answers[0]?.status === 200 ? c : d;
    await makeRole(`${first}x`, [`assume:${first}`]);
    expectCode(await test.root.post(role(first), { scopes: [`assume:${first}x`], description: '' }), 'InputError');
  });

  const chain = (at: number, ...templates: string[]) => templates.map((template) => `assume:chain${at + 1}:${template}`);
  const COUNT = Array.from({ length: 26 }, (_, at) => at);

  it.each([
    ['<..>a', '<..>b'],
    ['a<..>', 'b<..>'],
  ])('that multiply are refused and not stored, and nobody else is: %s and %s', async (...templates) => {
    let refused: Answer | undefined;
    let made = 0;
    while (!refused && made < COUNT.length) {
      const answer = await put(`chain${made}:*`, chain(made, ...templates));
      if (answer.status === 200) made++;
      else refused = answer;
    }
    expectCode(refused!, 'InputError');
    expect(refused!.body.message).toMatch(/role 'chain\d+:\*'/);
    const { rows } = await test.database.pool.query("select role_id from role where role_id like 'chain%'");
    expect(rows).toHaveLength(made);
    expectCode(await test.root.get(role(`chain${made}:*`)), 'ResourceNotFound');
    // nor by an update
    await makeRole(`chain${made}:*`, []);
    expectCode(await test.root.post(role(`chain${made}:*`), { scopes: chain(made, ...templates), description: '' }), 'InputError');
    expect((await test.root.get(role(`chain${made}:*`))).body.scopes).toEqual([]);
    expect(await test.root.post('/auth/v1/scopes/expand', { scopes: ['assume:chain0:x'] })).toMatchObject({ status: 200 });
    for (const list of ['roles', 'roles2', 'clients']) expect((await test.root.get(`/auth/v1/${list}`)).status).toBe(200);
    await makeRole(fresh(), ['x']);
    for (const at of COUNT) expect((await test.root.delete(role(`chain${at}:*`))).status).toBe(204);
  });

  it('that multiply all the same keep nobody from work who may do everything, and cost once', async () => {
    const roles = [
      ...COUNT.map((at) => [`chain${at}:*`, chain(at, 'a<..>', 'b<..>')] as const),
      ['anonymous', ['assume:chain0:x']] as const,
    ];
    for (const [roleId, scopes] of roles) {
      await test.database.pool.query("insert into role (role_id, scopes, description) values ($1, $2, '')", [roleId, scopes]);
    }
    await test.database.pool.query('update auth_version set version = version + 1');
    await until(async () => (await test.root.as().get('/auth/v1/scopes/current')).status === 400, 5_000);
    const began = Date.now();
    for (let asked = 0; asked < 20; asked++) expectCode(await test.root.as().get('/auth/v1/scopes/current'), 'InputError');
    expect(Date.now() - began).toBeLessThan(1_000);
    for (const list of ['roles', 'roles2', 'clients']) expect((await test.root.get(`/auth/v1/${list}`)).status).toBe(200);
    const taskId = slugid();
    const created = await test.root.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId: 'test/bombed' }));
    expect(created).toMatchObject({ status: 200 });
    const claim = await test.root.post('/queue/v1/claim-work/test%2Fbombed', { workerGroup: 'g', workerId: 'w', tasks: 1 });
    expect(claim).toMatchObject({ status: 200 });
    const { credentials } = claim.body.tasks[0];
    expect(await test.root.as(credentials).post(`/queue/v1/task/${taskId}/runs/0/reclaim`)).toMatchObject({ status: 200 });
    for (const [roleId] of roles) expect((await test.root.delete(role(roleId))).status).toBe(204);
    expectCode(await test.root.as().get('/auth/v1/scopes/current'), 'InsufficientScopes');
  });

  it('of a pattern do not get by update what only some who assume it have', async () => {
    await makeRole('repo:*', ['queue:route:<..>', 'assume:team:<..>', 'kept:<..>', 'assume:shared']);
    await makeRole('repo:secret-admin', ['secrets:*']);
    await makeRole('team:*', ['team:<..>']);
    await makeRole('shared', ['by:way']);
    const caller = await test.client('auth:update-role:repo:*', 'assume:repo:mine');
    const update = (...scopes: string[]) => caller.post(role('repo:*'), { scopes, description: '' });
    const all = [['queue:route:*', 'secrets:*'], ['queue:route:*'], ['secrets:*'], ['team:*'], ['assume:repo:secret-admin']];
    for (const scopes of all) expectCode(await update(...scopes), 'InsufficientScopes');
    expect(await update('queue:route:<..>', 'kept:<..>', 'assume:shared', 'by:way')).toMatchObject({ status: 200 });
    expect(await update('kept:<..>')).toMatchObject({ status: 200 });
    for (const id of ['repo:*', 'repo:secret-admin', 'team:*', 'shared']) await test.root.delete(role(id));
  });

  it('that amount to much are not remembered for everybody who names them, nor expanded for strangers', async () => {
    const id = fresh();
    await makeRole(
      `${id}*`,
      Array.from({ length: 2_000 }, (_, index) => `x:${index}:${'y'.repeat(200)}:<..>`),
    );
    const guess = test.root.as({ clientId: 'static/root', accessToken: 'a-wrong-token-0123456789' });
    const before = heldMemory();
    for (let n = 0; n < 60; n++) {
      const answer = await guess.get('/auth/v1/scopes/current', { authorizedScopes: [`assume:${id}${n}${'z'.repeat(1_000)}`] });
      expect([answer.status, answer.body.message.split('\n')[0]]).toEqual([401, 'Unauthorized: Bad mac']);
    }
    for (let n = 0; n < 60; n++) await test.root.post('/auth/v1/scopes/expand', { scopes: [`assume:${id}${n}${'z'.repeat(1_000)}`] });
    expect(heldMemory() - before).toBeLessThan(150_000_000); // remembered, each would hold 2.4 MB
    await test.root.delete(role(`${id}*`));
  });

  it.each(['a b', 'a"b', 'a\\b', 'ä', 'a\n', 'x'.repeat(1025)])('are not called %j', async (id) => {
    expectCode(await put(id, []), 'InvalidRequestArguments');
    expectCode(await test.root.get(role(id)), 'InvalidRequestArguments');
  });
});

describe('a scope', () => {
  it.each(['a b', 'a"b', 'a\\b', '', 'é', 'a\n', '\0'])('is never %j, at any entrance', async (scope) => {
    const id = fresh();
    const scopes = [scope];
    const calls = [
      test.root.put(at(id), wish({ scopes })),
      test.root.post(at('test/client-0'), wish({ scopes })),
      test.root.put(role(id), { scopes, description: '' }),
      test.root.post(role('giver'), { scopes, description: '' }),
      test.root.post('/auth/v1/scopes/expand', { scopes }),
      test.root.post('/auth/v1/test-authenticate', { clientScopes: scopes }),
      test.root.post('/auth/v1/test-authenticate', { requiredScopes: scopes }),
    ];
    for (const answer of await Promise.all(calls)) {
      expectCode(answer, 'InputValidationError');
      expect(answer.body.message).toMatch(/copes must be a scope: printable ASCII without space, double quote and backslash/);
    }
    expectCode(await test.root.get('/auth/v1/scopes/current', { authorizedScopes: scopes }), 'AuthenticationFailed');
  });

  it('does not end in two stars, in clients and roles', async () => {
    const scopes = ['a:**'];
    for (const answer of [
      await test.root.put(at(fresh()), wish({ scopes })),
      await test.root.post(at('test/client-0'), wish({ scopes })),
      await test.root.post(role('giver'), { scopes, description: '' }),
    ]) {
      expectCode(answer, 'InputError');
    }
  });
});

describe('lists', () => {
  const pages = async (path: string, field: string, limit: number): Promise<unknown[][]> => {
    const found: unknown[][] = [];
    let continuation = '';
    do {
      const { status, body } = await test.root.get(`${path}${path.includes('?') ? '&' : '?'}limit=${limit}${continuation}`);
      expect(status).toBe(200);
      found.push(body[field]);
      continuation = body.continuationToken ? `&continuationToken=${encodeURIComponent(body.continuationToken)}` : '';
    } while (continuation);
    return found;
  };

  it('of clients come in pages, by prefix', async () => {
    const ids = ['paged/a', 'paged/b', 'paged/c', 'paged/d', 'paged/e'];
    for (const id of ids.toReversed()) await made(id);
    const found = (await pages('/auth/v1/clients?prefix=paged%2F', 'clients', 2)) as { clientId: string }[][];
    expect(found.map((page) => page.map(({ clientId }) => clientId))).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    expect((await pages('/auth/v1/clients?prefix=paged%2F', 'clients', 5)).map((page) => page.length)).toEqual([5]);
    expect(await pages('/auth/v1/clients?prefix=none', 'clients', 5)).toEqual([[]]);
    const { body } = await test.root.get('/auth/v1/clients?limit=0099999999999999999999999');
    expect(body.clients.map(({ clientId }: { clientId: string }) => clientId)).toEqual(expect.arrayContaining(['static/root', ...ids]));
  });

  it('of roles come in pages, and whole', async () => {
    for (const id of ['z:1', 'z:2', 'z:3*']) await makeRole(id, []);
    const { body: whole } = await test.root.get('/auth/v1/roles');
    const ids = whole.map(({ roleId }: { roleId: string }) => roleId);
    expect(ids).toEqual([...ids].sort());
    expect((await pages('/auth/v1/roleids', 'roleIds', 2)).flat()).toEqual(ids);
    expect((await pages('/auth/v1/roles2', 'roles', 3)).flat()).toEqual(whole);
  });

  it('of clients and roles that amount to much come in short pages, and not whole where they are too much', async () => {
    const granted = Array.from({ length: 8_000 }, (_, n) => `much:${n}:${'x'.repeat(40)}`); // 430 kB
    await makeRole('much:all', granted);
    const names = Array.from({ length: 80 }, (_, n) => `much:${100 + n}`);
    for (const name of names) await makeRole(name, ['assume:much:all']);
    for (const name of names.slice(0, 9)) await made(`much/${name}`, { scopes: ['assume:much:all'] });
    try {
      const clients = (await pages('/auth/v1/clients?prefix=much%2F', 'clients', 1000)) as { expandedScopes: string[] }[][];
      expect(clients.map((page) => page.length)).toEqual([4, 4, 1]);
      for (const { expandedScopes } of clients.flat()) expect(expandedScopes).toHaveLength(8_001);
      const roles = (await pages('/auth/v1/roles2', 'roles', 1000)) as { roleId: string }[][];
      for (const page of roles) expect(JSON.stringify(page).length).toBeLessThan(2 * 1024 * 1024);
      const { body } = await test.root.get('/auth/v1/roleids');
      expect(roles.flat().map(({ roleId }) => roleId)).toEqual(body.roleIds);
      const whole = await test.root.get('/auth/v1/roles');
      expect(whole.status).toBe(503);
      expect(whole.body.message).toContain('All roles are more than 33554432 bytes; ask for them page by page');
    } finally {
      for (const name of [...names, 'much:all']) await test.root.delete(role(name));
    }
    expect(await test.root.get('/auth/v1/roles')).toMatchObject({ status: 200 });
  });

  it('neither skip nor repeat when the item at the seam is deleted', async () => {
    for (const id of ['seam/a', 'seam/b', 'seam/c']) await made(id);
    const first = await test.root.get('/auth/v1/clients?prefix=seam%2F&limit=2');
    await test.root.delete(at('seam/b'));
    const second = await test.root.get(`/auth/v1/clients?prefix=seam%2F&limit=2&continuationToken=${first.body.continuationToken}`);
    expect(second.body.clients.map(({ clientId }: { clientId: string }) => clientId)).toEqual(['seam/c']);
  });

  it.each([
    'limit=-1',
    'limit=x',
    'limit=',
    'limit=1.5',
    'limit=1&limit=2',
    'continuationToken=',
    'continuationToken=%21',
    'continuationToken=W10',
    'continuationToken=e30',
    'prefix=a%20b',
    'prefix=',
    'page=2',
  ])('refuse %s and name it', async (query) => {
    const answer = await test.root.get(`/auth/v1/clients?${query}`);
    expectCode(answer, 'InvalidRequestArguments');
    expect(answer.body.message).toContain(query.split('=')[0]);
  });
});

describe('another replica', () => {
  it('learns of every change at once, by notification', async () => {
    const replica = await test.replica();
    try {
      const times: number[] = [];
      const seen = async (condition: () => Promise<boolean>) => times.push(await until(condition, 5_000));
      const client = await made(fresh('replica'), { scopes: ['auth:current-scopes', 'assume:replicated'] });
      const { credentials } = client;
      const there = new Api(replica.root.url, credentials);
      const scopes = async () => (await there.get('/auth/v1/scopes/current')).body.scopes ?? [];
      await seen(async () => (await there.get('/auth/v1/scopes/current')).status === 200);
      await makeRole('replicated', ['from:role']);
      await seen(async () => (await scopes()).includes('from:role'));
      await test.root.delete(role('replicated'));
      await seen(async () => !(await scopes()).includes('from:role'));
      await test.root.post(at(credentials!.clientId, '/disable'));
      await seen(async () => (await there.get('/auth/v1/scopes/current')).status === 401);
      expect(Math.max(...times)).toBeLessThan(1_500); // the poll alone takes two seconds
    } finally {
      await replica.close();
    }
  });

  it('finds out by itself when no notification came', async () => {
    const sealed = sealToken(deriveKeys(MASTER_KEY).storage, 'by/sql', 'token-of-a-test-0123456789');
    const caller = test.root.as({ clientId: 'by/sql', accessToken: 'token-of-a-test-0123456789' });
    const status = async () => (await caller.get('/auth/v1/scopes/current')).status;
    expect(await status()).toBe(401);
    await test.database.pool.query(
      `with bumped as (update auth_version set version = version + 1)
       insert into client (client_id, access_token, scopes, description, expires, delete_on_expiration)
       values ('by/sql', $1, '{auth:current-scopes}', '', now() + interval '1 day', false)`,
      [sealed],
    );
    expect(await until(async () => (await status()) === 200, 5_000)).toBeLessThan(5_000);
    await test.database.pool.query(`update client set disabled = true where client_id = 'by/sql'`);
    await test.database.pool.query('update auth_version set version = version + 1');
    await until(async () => (await status()) === 401, 5_000);
  });

  it('lets writers on both take turns: no circle comes about between them', async () => {
    const replica = await test.replica();
    try {
      const [a, b] = [fresh('turn'), fresh('turn')];
      const answers = await Promise.all([
        test.root.put(role(a), { scopes: [`assume:${b}`], description: '' }),
        replica.root.put(role(b), { scopes: [`assume:${a}`], description: '' }),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
      const id = fresh('turn');
      const clients = await Promise.all([test.root.put(at(id), wish()), replica.root.put(at(id), wish())]);
      expect(clients.map(({ status }) => status).sort()).toEqual([200, 409]);
    } finally {
      await replica.close();
    }
  });
});

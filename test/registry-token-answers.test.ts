import { createPublicKey, X509Certificate } from 'node:crypto';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { signBewit } from '../src/credentials/bewit.js';
import { issueTemporaryCredentials } from '../src/credentials/certificate.js';
import { ScopeUses } from '../src/service/auth/explain/scope-uses.js';
import { Keyring } from '../src/service/auth/keys/keyring.js';
import { RegistryAuthority } from '../src/service/registry/registry-authority.js';
import { soon, World } from './operations/world.js';
import { type Answer, type Api, type Credentials, slugid } from './support/api.js';
import { JWKS } from './support/signing-keys.js';
import { claimsOf, exchange, GRANT, HERE, postForm, TYPE, tokenForUs } from './support/task-tokens.js';
import { ok, refused } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* Who is given which token for registries. That real ones take them: registry-tokens.test.ts. */

const SERVICE = 'registry.example.com';
const TOKEN = '/registry/token';
const PULL = 'scope=repository:team/app:pull';

let test: TestService;
let world: World;
beforeAll(async () => {
  test = await startTestService({
    sweepInterval: 600,
    claimPoll: 0,
    rootUrl: HERE,
    issuerUrl: HERE,
    registryService: SERVICE,
    tokenMaxLife: 120,
  });
  world = new World(test);
});
afterAll(() => test.close());

const ask = (api: Api, query = PULL): Promise<Answer> => api.get(`${TOKEN}?${query}`);
const accessOf = (token: string) => claimsOf(token).access;
const granted = async (api: Api, query = PULL): Promise<string | undefined> => (await ok(ask(api, query))).scope;
const pulls = (...names: string[]) => names.map((name) => ({ type: 'repository', name, actions: ['pull'] }));
const basic = ({ clientId, accessToken }: Credentials) => ({
  headers: { authorization: `Basic ${Buffer.from(`${clientId}:${accessToken}`).toString('base64')}` },
});
const anyone = () => test.root.as();

async function claimed(scopes: string[], overrides: Record<string, unknown> = {}) {
  const { params, credentials } = await world.run({ scopes, ...overrides });
  return { taskId: params.taskId, credentials, api: test.root.as(credentials) };
}

/** Work as a replica does it whose clock is off by so many seconds. */
async function withClock<T>(seconds: number, work: () => Promise<T>): Promise<T> {
  const now = Date.now;
  Date.now = () => now() + seconds * 1000;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

describe('what a token says', () => {
  it('is what registries want, letter by letter', async () => {
    const { api, taskId } = await claimed(['registry:pull:team/*']);
    const { token, expires_in, issued_at } = await ok(ask(api, `service=${SERVICE}&${PULL}`));
    const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet((await anyone().get(JWKS)).body));
    expect(Object.keys(protectedHeader).sort()).toEqual(['alg', 'kid', 'typ', 'x5c']);
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'JWT' });
    const { iat, nbf, exp, jti, ...claims } = claimsOf(token);
    expect(claims).toEqual({ iss: HERE, sub: `task-run:${taskId}/0`, aud: SERVICE, access: pulls('team/app') });
    expect(jti).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect([iat, nbf, exp].map(Number.isInteger)).toEqual([true, true, true]);
    expect({ life: exp - iat, nbf, at: Date.parse(issued_at) / 1000 }).toEqual({ life: expires_in, nbf: iat, at: iat });
    expect(payload.jti).not.toBe(claimsOf((await ok(ask(api))).token).jti);
  });

  it('comes with a certificate of its key, which is of the authority and ends within the hour', async () => {
    const { kid, x5c } = decodeProtectedHeader((await ok(ask(anyone()))).token);
    expect(x5c).toHaveLength(1);
    const leaf = new X509Certificate(Buffer.from(x5c?.[0] ?? '', 'base64'));
    const root = new X509Certificate((await anyone().get('/registry/certificate')).body);
    expect({ of: leaf.checkIssued(root), signed: leaf.verify(root.publicKey), ca: leaf.ca }).toEqual({ of: true, signed: true, ca: false });
    const [jwk] = (await anyone().get(JWKS)).body.keys.filter((key: { kid: string }) => key.kid === kid);
    expect(leaf.publicKey.equals(createPublicKey({ key: jwk, format: 'jwk' }))).toBe(true);
    const left = Date.parse(leaf.validTo) - Date.now();
    expect(left).toBeLessThanOrEqual(3_600_000);
    expect(left).toBeGreaterThanOrEqual(1_800_000);
  });

  it('the certificate is made anew when half of its life is left, and when the clock was set back', async () => {
    const authority = test.service.app.get(RegistryAuthority);
    const signer = await test.service.app.get(Keyring).freshSigner();
    const at = (seconds: number) => withClock(seconds, () => authority.certificateOf(signer));
    const first = await at(10_000);
    expect(await at(10_000 + 1_700)).toBe(first);
    const second = await at(10_000 + 1_801);
    expect(second).not.toBe(first);
    const third = await at(0);
    expect(third).not.toBe(second);
    expect(Date.parse(new X509Certificate(Buffer.from(third, 'base64')).validTo)).toBeLessThanOrEqual(Date.now() + 3_600_000);
  });

  it.each<[string, string, unknown]>([
    ['nothing, to log in', 'offline_token=false', []],
    ['several scopes', 'scope=repository:a/b:pull&scope=repository:a/c:pull&scope=repository:d:pull', pulls('a/b', 'a/c')],
    ['several in one', 'scope=repository:a/b:pull%20repository:a/c:pull+repository:d:pull', pulls('a/b', 'a/c')],
    ['one repository twice', 'scope=repository:a/b:pull&scope=repository(plugin):a/b:pull,push', pulls('a/b')],
    ['all actions', 'scope=repository:a/b:*', pulls('a/b')],
    ['types of others', 'scope=project:a/b:pull&scope=registry:catalog:*', []],
    [
      'a name that is no client id, by docker',
      `account=${encodeURIComponent('ü b').repeat(400)}&client_id=&scope=repository:a/b:pull`,
      pulls('a/b'),
    ],
    ['nothing, in an empty parameter', 'scope=', []],
    ['all that clients send', `account=x&client_id=docker&offline_token=true&service=${SERVICE}&scope=repository:a/b:pull`, pulls('a/b')],
  ])('asked for %s', async (_, query, expected) => {
    const { token } = await ok(ask(await test.client('registry:pull:a/*'), query));
    expect(accessOf(token)).toEqual(expected);
  });
});

describe('how long it is good', () => {
  const life = async (answer: Promise<Answer>) => (await ok(answer)).expires_in;

  it('five minutes', async () => {
    expect(await life(ask(await test.client()))).toBe(300);
    expect(await life(ask(anyone()))).toBe(300);
  });

  it('54: of a run never beyond its lease, and then it says so', async () => {
    const { api, taskId } = await claimed(['registry:pull:*']);
    expect(await life(ask(api))).toBe(300);
    await world.tasks.alter(taskId, `taken_until = now() + interval '20 seconds'`);
    const { token, expires_in } = await ok(ask(api));
    const { rows } = await test.database.pool.query(
      'select extract(epoch from taken_until)::float8 as until from task where task_id = $1',
      [taskId],
    );
    expect(claimsOf(token).exp).toBeLessThanOrEqual(rows[0].until);
    expect(expires_in).toBeLessThanOrEqual(20);
    expect(expires_in).toBeGreaterThan(10);
  });

  it('never longer than what the caller came with', async () => {
    const { api } = await claimed(['registry:pull:*']);
    const short = await tokenForUs(api, 'registry:pull:team/app');
    expect(await life(anyone().get(`${TOKEN}?${PULL}`, { headers: { authorization: `Bearer ${short}` } }))).toBeLessThanOrEqual(120);
    const issuer = (await test.client('registry:pull:*')).credentials!;
    const temporary = issueTemporaryCredentials({
      issuer,
      scopes: ['registry:pull:*'],
      start: Date.now() - 1_000,
      expiry: Date.now() + 30_000,
    });
    expect(await life(ask(test.root.as(temporary)))).toBeLessThanOrEqual(30);
  });

  it('a run that has ended, or whose lease has lapsed, is given none', async () => {
    const [ended, lapsed, cancelled] = await Promise.all([1, 2, 3].map(() => claimed(['registry:pull:*'])));
    const signed = urlOf(ended!.credentials);
    expect((await anyone().get(signed)).status).toBe(200);
    await world.tasks.report('completed', ended!.taskId);
    await world.tasks.lapse(lapsed!.taskId);
    await ok(world.tasks.steer('cancel', cancelled!.taskId));
    for (const { api } of [ended!, lapsed!, cancelled!]) {
      await refused(ask(api), 401);
      await refused(postForm(api, TOKEN, { grant_type: 'password', scope: 'repository:team/app:pull' }), 401);
    }
    // a signed URL outlives its run for other reads: that is what sees the statement refuse
    expect(await refused(anyone().get(signed), 401)).toMatch(/Run 0 of task \S+ is over, or about to end/);
  });

  it('another worker that has the task now does not serve who had it before', async () => {
    const { api, taskId } = await claimed(['registry:pull:*']);
    await world.tasks.alter(taskId, `worker_id = 'another'`);
    await refused(ask(api), 401);
  });

  function urlOf(credentials: Credentials): string {
    const { hostname, port } = new URL(test.root.url);
    const resource = `${TOKEN}?${PULL}`;
    const bewit = signBewit(credentials, { resource, host: hostname, port: Number(port) }, { exp: Math.floor(Date.now() / 1000) + 600 });
    return `${resource}&bewit=${bewit}`;
  }
});

describe('what it may do', () => {
  it('75: no more than the authorizedScopes of the caller', async () => {
    const { api } = await claimed(['registry:push:*', 'registry:catalog']);
    const all = 'scope=repository:team/app:*&scope=registry:catalog:*';
    const answer = (authorizedScopes: string[]) => ok(api.get(`${TOKEN}?${all}`, { authorizedScopes }));
    expect(await granted(api, all)).toBe('repository:team/app:pull,push registry:catalog:*');
    expect((await answer(['registry:push:team/*'])).scope).toBe('repository:team/app:pull,push');
    expect((await answer(['registry:push:other/*'])).scope).toBeUndefined();
    expect((await answer([])).scope).toBeUndefined();
    await refused(api.get(`${TOKEN}?${all}`, { authorizedScopes: ['registry:delete:team/app'] }), 401);
  });

  it('roles count, and what a run has lost does not', async () => {
    await test.role('puller', 'registry:pull:team/*');
    const creator = await test.client('queue:*', 'assume:puller', 'registry:push:mine/*');
    const api = test.root.as((await claimedBy(creator, ['assume:puller', 'registry:push:mine/*'])).credentials);
    const both = `${PULL}&scope=repository:mine/app:pull,push`;
    expect(await granted(api, both)).toBe('repository:team/app:pull repository:mine/app:pull,push');
    const { clientId } = creator.credentials!;
    await ok(
      test.root.post(`/auth/v1/clients/${encodeURIComponent(clientId)}`, {
        expires: soon(),
        description: '',
        scopes: ['queue:*', 'assume:puller'],
      }),
    );
    await ok(world.tasks.reclaim(last));
    expect(await granted(api, both)).toBe('repository:team/app:pull');
  });

  let last = '';
  async function claimedBy(creator: Api, scopes: string[]) {
    const definition = world.definition({ scopes });
    last = slugid();
    await ok(creator.put(`/queue/v1/task/${last}`, definition));
    return ok(world.tasks.claimTask(last));
  }

  it('a token of a run gives no more than it holds, by header and as a password', async () => {
    const { api } = await claimed(['registry:push:*']);
    const token = await tokenForUs(api, 'registry:push:team/app');
    const two = `${PULL}&scope=repository:other/app:pull`;
    for (const authorization of [`Bearer ${token}`, basic({ clientId: 'x', accessToken: token }).headers.authorization])
      expect((await ok(anyone().get(`${TOKEN}?${two}`, { headers: { authorization } }))).scope).toBe('repository:team/app:pull');
    const form = { grant_type: 'password', username: 'x', password: token, scope: 'repository:other/app:pull repository:team/app:pull' };
    expect((await ok(postForm(anyone(), TOKEN, form))).scope).toBe('repository:team/app:pull');
    await ok(postForm(api, '/oauth/revoke', { token }));
    await refused(anyone().get(`${TOKEN}?${two}`, basic({ clientId: 'x', accessToken: token })), 401);
  });

  it('what a run used of its scopes is noted', async () => {
    const { api, taskId } = await claimed(['registry:push:used/*', 'registry:delete:used/*']);
    await ok(ask(api, 'scope=repository:used/app:pull'));
    await test.service.app.get(ScopeUses).flush();
    const { rows } = await test.database.pool.query('select scope from scope_use where task_id = $1', [taskId]);
    expect(rows).toEqual([{ scope: 'registry:push:used/*' }]);
  });

  it('a form that was not signed with its hash is refused', async () => {
    const { api } = await claimed(['registry:pull:*']);
    const authorization = api.authorizationFor('post', TOKEN) as string;
    expect(
      await refused(postForm(anyone(), TOKEN, { grant_type: 'password', scope: 'repository:a:pull' }, { authorization }), 401),
    ).toMatch(/payload hash/);
  });
});

describe('a refresh token', () => {
  const offered = async (credentials: Credentials, api = anyone()): Promise<string> =>
    (await ok(api.get(`${TOKEN}?offline_token=true&service=${SERVICE}`, basic(credentials)))).refresh_token;
  const refresh = (refresh_token: string, api = anyone(), more: Record<string, string> = {}) =>
    postForm(api, TOKEN, { grant_type: 'refresh_token', refresh_token, scope: 'repository:team/app:pull', client_id: 'docker', ...more });
  const of = async (...scopes: string[]) => (await test.client(...scopes)).credentials!;
  const pathOf = ({ clientId }: Credentials, verb = '') => `/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;

  it('gives tokens again and again, also at once, of what the client holds by then', async () => {
    const who = await of('registry:pull:team/*');
    const token = await offered(who);
    const answers = await Promise.all([1, 2, 3].map(() => ok(refresh(token, anyone(), { access_type: 'offline', service: SERVICE }))));
    expect(answers.map(({ scope, refresh_token }) => [scope, refresh_token])).toEqual(
      [1, 2, 3].map(() => ['repository:team/app:pull', token]),
    );
    expect(claimsOf(answers[0].token).sub).toBe(who.clientId);
    await ok(test.root.post(pathOf(who), { expires: soon(), description: '', scopes: [] }));
    expect((await ok(refresh(token))).scope).toBeUndefined();
  });

  it('is given to who logs in with permanent credentials and asks for one, and to nobody else', async () => {
    const who = await of('registry:pull:*');
    const asking = { grant_type: 'password', username: who.clientId, password: who.accessToken };
    expect((await ok(postForm(anyone(), TOKEN, { ...asking, access_type: 'offline' }))).refresh_token).toEqual(await offered(who));
    const { api } = await claimed(['registry:pull:*']);
    const runs = await tokenForUs(api, 'registry:pull:*');
    const others = [
      postForm(anyone(), TOKEN, asking),
      postForm(anyone(), TOKEN, { ...asking, access_type: 'online' }),
      anyone().get(TOKEN, basic(who)),
      test.root.as(who).get(`${TOKEN}?offline_token=true`),
      anyone().get(`${TOKEN}?offline_token=true`),
      api.get(`${TOKEN}?offline_token=true`),
      anyone().get(`${TOKEN}?offline_token=true`, basic({ clientId: 'run', accessToken: runs })),
    ];
    for (const body of await Promise.all(others.map(ok))) expect(body).not.toHaveProperty('refresh_token');
  });

  it('ends when its client is given another access token, is disabled, deleted, or made anew', async () => {
    const reset = await of('registry:pull:*');
    const token = await offered(reset);
    const { accessToken } = await ok(test.root.post(pathOf(reset, '/reset')));
    await refused(refresh(token), 401);
    expect(await offered({ ...reset, accessToken })).not.toBe(token);

    const disabled = await of('registry:pull:*');
    const its = await offered(disabled);
    await ok(test.root.post(pathOf(disabled, '/disable')));
    expect(await refused(refresh(its), 401)).toMatch(/log in again/);

    const deleted = await of('registry:pull:*');
    const old = await offered(deleted);
    expect((await test.root.delete(pathOf(deleted))).status).toBe(204);
    await refused(refresh(old), 401);
    await ok(test.root.put(pathOf(deleted), { expires: soon(), description: '', scopes: ['registry:pull:*'] }));
    await refused(refresh(old), 401);
  });

  it('is of one service, of one client, and of whom we gave it to', async () => {
    const [who, other] = [await of('registry:pull:*'), await of('registry:pull:*')];
    const token = await offered(who);
    const [id = '', mac = ''] = token.split('.');
    const [otherId = ''] = (await offered(other)).split('.');
    const forged = [
      `${otherId}.${mac}`,
      `${id}.${mac.slice(0, -1)}`,
      `${id}.${'A'.repeat(43)}`,
      `${id}`,
      `.${mac}`,
      `${id}.${mac}.`,
      `${token}=`,
    ];
    for (const one of forged) await refused(refresh(one), 401);
    const elsewhere = await test.replica({ registryService: 'another.example.com' });
    try {
      await refused(refresh(token, elsewhere.root.as()), 401);
      await refused(refresh(token, anyone(), { service: 'another.example.com' }), 400);
    } finally {
      await elsewhere.close();
    }
    await ok(refresh(token));
  });

  it('is no password, no task token, and not looked at beside other credentials', async () => {
    const who = await of('registry:pull:*');
    const token = await offered(who);
    await refused(anyone().get(TOKEN, basic({ ...who, accessToken: token })), 401);
    await refused(anyone().get(TOKEN, { headers: { authorization: `Bearer ${token}` } }), 401);
    await refused(refresh(token, test.root), 400);
    await refused(postForm(anyone(), TOKEN, { grant_type: 'refresh_token', refresh_token: token }, basic(who)), 400);
    await refused(anyone().get('/auth/v1/clients', basic({ ...who, accessToken: token })), 401);
  });
});

describe('taken for another one', () => {
  it('a registry token is nothing to us', async () => {
    const { api } = await claimed(['registry:pull:*', 'auth:current-scopes']);
    const { token } = await ok(ask(api));
    for (const scheme of ['Bearer', 'DPoP'])
      await refused(anyone().get('/auth/v1/scopes/current', { authorization: `${scheme} ${token}` }), 401);
    await refused(anyone().get(TOKEN, basic({ clientId: 'x', accessToken: token })), 401);
    expect((await postForm(test.root, '/oauth/introspect', { token })).body).toEqual({ active: false });
    await refused(exchange(anyone(), { grant_type: GRANT, subject_token: token, subject_token_type: TYPE('jwt') }), 400);
    await refused(postForm(anyone(), TOKEN, { grant_type: 'refresh_token', refresh_token: token }), 401);
  });

  it.each(['access_token', 'jwt', 'id_token'])('no task token (%s) is for registries', async (type) => {
    const { api } = await claimed(['registry:pull:*', 'auth:exchange-token:*']);
    const answer = await exchange(api, { audience: SERVICE, requested_token_type: TYPE(type) });
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_target']);
    expect(answer.body.message).toMatch(/ask for their tokens at \/registry\/token/);
  });

  it('a task token for others is no password', async () => {
    const { api } = await claimed(['registry:pull:*']);
    const { access_token } = (await exchange(api, { audience: 'https://api.example.com', scope: 'registry:pull:*' })).body;
    await refused(anyone().get(`${TOKEN}?${PULL}`, basic({ clientId: 'x', accessToken: access_token })), 401);
  });
});

describe('the authority', () => {
  it('is one, whoever is asked first', async () => {
    const fresh = await startTestService({ sweepInterval: 600, claimPoll: 0 });
    const others = await Promise.all([fresh.replica(), fresh.replica()]);
    try {
      const ask = ({ root }: { root: Api }) => root.as().get('/registry/certificate');
      const texts = await Promise.all([fresh, ...others, fresh, ...others].map(ask));
      expect(new Set(texts.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    } finally {
      for (const one of others) await one.close();
      await fresh.close();
    }
  });

  it('is not told where somebody has put another certificate beside its key, or another key beside it', async () => {
    const fresh = await startTestService({ sweepInterval: 600, claimPoll: 0 });
    const pool = fresh.database.pool;
    const told = async () => {
      const replica = await fresh.replica();
      const { status } = await replica.root.as().get('/registry/certificate');
      await replica.close();
      return status;
    };
    try {
      await fresh.root.as().get('/registry/certificate');
      expect(await told()).toBe(200);
      const strangers = (await anyone().get('/registry/certificate')).body;
      const { rows } = await pool.query('select certificate from registry_authority');
      await pool.query('update registry_authority set certificate = $1', [strangers]);
      expect(await told()).toBe(500);
      const mine: string = rows[0].certificate;
      // whoever trusts such a text trusts the stranger as well
      for (const text of [mine + strangers, `of the authority\n${mine}`, await certifiedByAnother(mine)]) {
        await pool.query('update registry_authority set certificate = $1', [text]);
        expect(await told()).toBe(500);
      }
      await pool.query('update registry_authority set certificate = $1', [mine]);
      expect(await told()).toBe(200);
      await pool.query(`update registry_authority set (kid, sealed) = (select kid, sealed from signing_key where alg = 'ES256')`);
      expect(await told()).toBe(500);
    } finally {
      await fresh.close();
    }
  });

  /** A certificate of the same key and name, which somebody else has signed. */
  async function certifiedByAnother(pem: string): Promise<string> {
    const X509 = await import('@peculiar/x509'); // wants what Nest has loaded by now
    const { subject, publicKey, notBefore, notAfter } = new X509.X509Certificate(pem);
    const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const { privateKey } = await crypto.subtle.generateKey(ecdsa, false, ['sign', 'verify']);
    const given = { subject, issuer: subject, notBefore, notAfter, publicKey, signingKey: privateKey, signingAlgorithm: ecdsa };
    return `${(await X509.X509CertificateGenerator.create(given)).toString('pem')}\n`;
  }
});

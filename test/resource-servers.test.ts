import { execFile } from 'node:child_process';
import { createHmac, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { CompactSign, decodeJwt, decodeProtectedHeader, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { World } from './operations/world.js';
import { Apache } from './support/apache.js';
import type { Api } from './support/api.js';
import { HaProxy } from './support/haproxy.js';
import { newPeerDirectory, PeerProcess } from './support/peer-process.js';
import { eventually } from './support/service-process.js';
import { claimsOf, exchange, Prover, postForm, TYPE, tokenOf } from './support/task-tokens.js';
import { ok } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import { TlsFront } from './support/tls-front.js';

/* Programs that nobody here wrote, configured by docs/examples, before tokens of runs that were claimed. */

const AUDIENCE = 'https://packages.example.com';
const SCOPE = 'packages:read:team/app';

/** It alone, among others, and at the end of a token that is about as long as one may be. */
const GOOD = [
  SCOPE,
  `other:a ${SCOPE} packages:read:other`,
  `${Array.from({ length: 400 }, (_, nth) => `other:${nth}`).join(' ')} ${SCOPE}`,
];

let directory: string;
let front: TlsFront;
let test: TestService;
let world: World;
let backend: http.Server;
let served = 0; // requests that a peer let through

beforeAll(async () => {
  directory = newPeerDirectory();
  front = await TlsFront.start(directory);
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, issuerUrl: front.url });
  front.target = test.root.url;
  world = new World(test);
  backend = http.createServer(({ headers }, response) => {
    served++;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(headers));
  });
  await once(backend.listen(0, '127.0.0.1'), 'listening');
});
afterAll(async () => {
  await closeReplicas();
  backend.closeAllConnections();
  backend.close();
  await test.close();
  await front.close();
  rmSync(directory, { recursive: true, force: true });
});

const backendAddress = () => `127.0.0.1:${(backend.address() as { port: number }).port}`;

interface Run {
  taskId: string;
  api: Api;
}

async function claimed(): Promise<Run> {
  const { params, credentials } = await world.run({ scopes: ['packages:*', 'other:*'] });
  return { taskId: params.taskId, api: test.root.as(credentials) };
}

const issued = (run: Run, fields: Record<string, string | undefined> = {}) =>
  tokenOf(run.api, { audience: AUDIENCE, scope: SCOPE, ...fields });
const token = async () => issued(await claimed());

/** Replicas that are told something else. */
const replicas = new Map<'foreign' | 'brief', Awaited<ReturnType<TestService['replica']>>>();
const TOLD = { foreign: { issuerUrl: 'https://other.example.com' }, brief: { tokenMaxLife: 2 } };

async function issuedBy(name: keyof typeof TOLD): Promise<string> {
  const replica = replicas.get(name) ?? (await test.replica(TOLD[name]));
  replicas.set(name, replica);
  const { taskId, api } = await claimed();
  return issued({ taskId, api: replica.root.as(api.credentials) });
}

async function closeReplicas(): Promise<void> {
  await Promise.all([...replicas.values()].map((replica) => replica.close()));
  replicas.clear();
}

interface Verdict {
  status: number;
  /** Why not. */
  challenge: string;
  /** What the peer told the service behind it. */
  told: Record<string, string>;
}

async function send(url: string, bearer?: string, headers: Record<string, string> = {}, where = '/packages'): Promise<Verdict> {
  const authorization: Record<string, string> = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  const answer = await fetch(url + where, { headers: { ...authorization, ...headers }, signal: AbortSignal.timeout(10_000) });
  const text = await answer.text();
  const { status } = answer;
  return { status, challenge: answer.headers.get('www-authenticate') ?? '', told: status === 200 ? JSON.parse(text) : {} };
}

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function publishedKey(kid: string | undefined): Promise<JWK> {
  const { keys } = await ok(test.root.as().get('/.well-known/jwks.json'));
  return keys.find((key: JWK) => key.kid === kid);
}

async function signedByHmac(good: string, secretOf: (key: JWK) => string | Buffer): Promise<string> {
  const { kid } = decodeProtectedHeader(good);
  const text = `${encoded({ alg: 'HS256', kid, typ: 'at+jwt' })}.${good.split('.')[1]}`;
  const secret = secretOf(await publishedKey(kid));
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

const publicPem = (key: JWK) => createPublicKey({ key: key as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;

function withSignature(good: string, change: (signature: Buffer) => Buffer): string {
  const [header, payload, signature = ''] = good.split('.');
  return [header, payload, change(Buffer.from(signature, 'base64url')).toString('base64url')].join('.');
}

function unsigned(good: string, header: object, signature = ''): string {
  return `${encoded({ ...decodeProtectedHeader(good), ...header })}.${good.split('.')[1]}.${signature}`;
}

async function signedByAnother(good: string, header: (jwk: JWK) => object = () => ({})): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const { kty, crv, x, y } = createPublicKey(await exportSPKI(publicKey)).export({ format: 'jwk' });
  const ours = { ...decodeProtectedHeader(good), alg: 'ES256' };
  return new CompactSign(Buffer.from(good.split('.')[1] ?? '', 'base64url'))
    .setProtectedHeader({ ...ours, ...header({ kty, crv, x, y } as JWK) })
    .sign(privateKey);
}

/** What each peer must refuse, and what HAProxy says is wrong with it. */
const REFUSED: [what: string, why: string, token: () => Promise<string | undefined>][] = [
  ['no token', 'Bearer', async () => undefined],
  ['what is none', 'signature', async () => 'x'],
  ['three parts of nothing', 'signature', async () => '..'],
  ['one for another audience', 'aud', async () => issued(await claimed(), { audience: 'https://other.example.com' })],
  ['one for an audience that begins like this', 'aud', async () => issued(await claimed(), { audience: `${AUDIENCE}.example.com` })],
  ['one of another issuer', 'iss', () => issuedBy('foreign')],
  ['one without scopes', 'insufficient_scope', async () => issued(await claimed(), { scope: undefined })],
  ['a scope that begins like this', 'insufficient_scope', async () => issued(await claimed(), { scope: `${SCOPE}lication` })],
  ['a scope that ends like this', 'insufficient_scope', async () => issued(await claimed(), { scope: `other:${SCOPE}` })],
  ['a scope of which this is a part', 'insufficient_scope', async () => issued(await claimed(), { scope: `other:${SCOPE}/x ${SCOPE}/y` })],
  ['an identity', 'signature', async () => issued(await claimed(), { scope: undefined, requested_token_type: TYPE('id_token') })],
  [
    'a status list',
    'typ',
    async () => {
      const { uri } = (claimsOf(await token()).status as { status_list: { uri: string } }).status_list;
      return (await test.root.as().get(new URL(uri).pathname)).body;
    },
  ],
  ['alg none', 'signature', async () => unsigned(await token(), { alg: 'none' })],
  ['alg none with a signature', 'signature', async () => unsigned(await token(), { alg: 'none' }, 'eA')],
  ['alg None', 'signature', async () => unsigned(await token(), { alg: 'None' })],
  ['no alg', 'signature', async () => unsigned(await token(), { alg: undefined })],
  ['no signature', 'signature', async () => unsigned(await token(), {})],
  ['HS256 with the public key, as PEM', 'signature', async () => signedByHmac(await token(), publicPem)],
  ['HS256 with the public key, trimmed', 'signature', async () => signedByHmac(await token(), (key) => publicPem(key).trim())],
  ['HS256 with the public key, as JWK', 'signature', async () => signedByHmac(await token(), (key) => JSON.stringify(key))],
  ['HS256 with x of the public key', 'signature', async () => signedByHmac(await token(), ({ x }) => Buffer.from(x ?? '', 'base64url'))],
  ['HS256 with nothing', 'signature', async () => signedByHmac(await token(), () => '')],
  [
    'a signature with one bit changed',
    'signature',
    async () => withSignature(await token(), (bytes) => Buffer.from(bytes.map((byte, index) => (index === 40 ? byte ^ 1 : byte)))),
  ],
  ['a signature of zeros', 'signature', async () => withSignature(await token(), () => Buffer.alloc(64))],
  ['half a signature', 'signature', async () => withSignature(await token(), (bytes) => bytes.subarray(0, 32))],
  [
    'claims that were changed',
    'signature',
    async () => {
      const [header, , signature] = (await token()).split('.');
      return `${header}.${encoded({ ...decodeJwt(await token()), sub: 'task-run:x/0' })}.${signature}`;
    },
  ],
  ['the kid of ours and the key of another', 'signature', async () => signedByAnother(await token())],
  ['a key that it brings along', 'signature', async () => signedByAnother(await token(), (jwk) => ({ jwk, kid: undefined }))],
  ['a kid that nobody knows', 'signature', async () => signedByAnother(await token(), () => ({ kid: '../../dev/null' }))],
  [
    'one that is bound to a key, without proof',
    'cnf',
    async () => {
      const prover = await Prover.make();
      const dpop = await prover.proof('POST', '/oauth/token', undefined, { htu: `${front.url}/oauth/token` });
      const { body } = await exchange((await claimed()).api, { audience: AUDIENCE, scope: SCOPE }, { headers: { dpop } });
      expect(body.token_type).toBe('DPoP');
      return body.access_token;
    },
  ],
];

/** Refused, and nothing of it reached what is behind. */
async function refuses(url: string, bearer: string | undefined, status: number | number[] = 401): Promise<string> {
  const before = served;
  const verdict = await send(url, bearer);
  expect([status].flat()).toContain(verdict.status);
  expect(served).toBe(before);
  return verdict.challenge;
}

if (!Apache.isInstalled) console.warn('SKIPPED: Apache is not tested; apt-get install libapache2-mod-auth-openidc');

(Apache.isInstalled ? describe : describe.skip)('Apache with mod_auth_openidc', () => {
  let apache: Apache;
  /** It expires while the other tests run. */
  let brief: string;

  beforeAll(async () => {
    const { credentials } = await test.client(`auth:introspect:${AUDIENCE}`);
    apache = await Apache.start(directory, {
      ISSUER: front.url,
      AUDIENCE,
      BACKEND: `http://${backendAddress()}`,
      CA_FILE: front.certificate,
      CLIENT_ID: credentials?.clientId ?? '',
      ACCESS_TOKEN: credentials?.accessToken ?? '',
    });
    brief = await issuedBy('brief');
    for (const url of both()) expect((await send(url, brief)).status).toBe(200);
  });
  afterAll(() => apache?.[Symbol.asyncDispose]());

  const both = () => Object.values(apache.urls);

  it('lets a run through, and tells whose it is, whatever the caller says, but not its token', async () => {
    const run = await claimed();
    const forged = { oidc_claim_sub: 'task-run:x/0', 'oidc-claim-sub': 'task-run:x/0', oidc_claim_fence: '9' };
    for (const url of both())
      for (const scope of GOOD) {
        const { status, told } = await send(url, await issued(run, { scope }), forged);
        expect([status, told.oidc_claim_sub, told.oidc_claim_fence]).toEqual([200, `task-run:${run.taskId}/0`, '1']);
        expect(JSON.stringify(told)).not.toContain('eyJ');
      }
  });

  it.each(REFUSED)('refuses %s', async (_, _why, make) => {
    const bearer = await make();
    for (const url of both()) await refuses(url, bearer);
  });

  it('takes no identity for an access token, not even where no scope is required', async () => {
    const run = await claimed();
    const identity = await issued(run, { scope: undefined, requested_token_type: TYPE('id_token') });
    for (const url of both()) {
      expect((await send(url, await issued(run, { scope: undefined }), {}, '/')).status).toBe(200);
      expect((await send(url, identity, {}, '/')).status).toBe(401);
    }
  });

  it.each<[string, (run: Run, bearer: string) => Promise<unknown>]>([
    ['completed', ({ taskId }) => ok(world.tasks.report('completed', taskId))],
    ['cancelled', ({ taskId }) => ok(world.tasks.steer('cancel', taskId))],
    ['lapsed, seen by no sweep', ({ taskId }) => world.tasks.lapse(taskId)],
    ['going on, but the token was revoked', ({ api }, bearer) => ok(postForm(api, '/oauth/revoke', { token: bearer }))],
  ])('that introspects refuses at once, when the run is %s; that asks nobody does so from exp on', async (_, end) => {
    const run = await claimed();
    const bearer = await issued(run);
    for (const url of both()) expect((await send(url, bearer)).status).toBe(200);
    await end(run, bearer);
    await refuses(apache.urls.byIntrospection, bearer);
    expect((await send(apache.urls.byKeys, bearer)).status).toBe(200);
  });

  it('refuses what has expired', async () => {
    for (const url of both()) {
      await eventually('it has expired', async () => (await send(url, brief)).status !== 200);
      expect(Date.now() / 1000).toBeGreaterThan(claimsOf(brief).exp);
      await refuses(url, brief);
    }
  });

  it('takes tokens of a new key without being told of it', async () => {
    const { kid } = decodeProtectedHeader(await token());
    await ok(test.root.post(`/auth/v1/keys/${kid}/compromise`));
    const bearer = await token();
    expect(decodeProtectedHeader(bearer).kid).not.toBe(kid);
    for (const url of both()) expect((await send(url, bearer)).status).toBe(200);
  });

  it('refuses everything that it would have to ask about while we cannot be reached', async () => {
    const bearer = await token();
    expect((await send(apache.urls.byKeys, bearer)).status).toBe(200);
    front.target = undefined;
    await refuses(apache.urls.byIntrospection, bearer, [401, 500, 502]);
    expect((await send(apache.urls.byKeys, bearer)).status).toBe(200);
    front.target = test.root.url;
    expect((await send(apache.urls.byIntrospection, bearer)).status).toBe(200);
  });
});

if (!HaProxy.isInstalled) console.warn('SKIPPED: HAProxy is not tested; apt-get install haproxy');

(HaProxy.isInstalled ? describe : describe.skip)('HAProxy', () => {
  let haproxy: HaProxy;
  let feeder: PeerProcess | undefined;
  /** The one that it trusts beside ours: with it, a token can be wrong in just one thing. */
  let trusted: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

  const recipe = (name: string) => [path.resolve('docs/examples', name), front.url, directory];
  const trustUs = () => ({ NODE_EXTRA_CA_CERTS: front.certificate });
  const readKeys = async () => (await promisify(execFile)(process.execPath, recipe('public-keys.mjs'), { env: trustUs() })).stdout;
  const feed = () => PeerProcess.start([process.execPath, ...recipe('ended-tokens.mjs')], { env: trustUs(), owner: {} });
  const start = () => HaProxy.start(directory, { ISSUER: front.url, AUDIENCE, BACKEND: backendAddress() });
  const both = () => Object.values(haproxy.urls);
  const accepts = async (url: string, bearer: string) => expect((await send(url, bearer)).status).toBe(200);

  beforeAll(async () => {
    expect((await readKeys()).trim().split('\n')).toEqual([1, 2, 3, 4].map((nth) => path.join(directory, `key-${nth}.pem`)));
    expect(await readKeys()).toBe(''); // nothing to reload for
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    trusted = privateKey;
    writeFileSync(path.join(directory, 'key-2.pem'), await exportSPKI(publicKey)); // as if a rotation were under way
    haproxy = await start();
  });
  afterAll(async () => {
    await feeder?.[Symbol.asyncDispose]();
    await haproxy?.[Symbol.asyncDispose]();
  });

  it('lets a run through, and tells whose it is, whatever the caller says, but not its token', async () => {
    const run = await claimed();
    for (const scope of GOOD) {
      const { status, told } = await send(haproxy.urls.untilExp, await issued(run, { scope }), { 'x-task-run': 'x', 'x-task-fence': '9' });
      expect([status, told['x-task-run'], told['x-task-fence']]).toEqual([200, `task-run:${run.taskId}/0`, '1']);
      expect(JSON.stringify(told)).not.toContain('eyJ');
    }
  });

  it('believes no token of which it does not know yet whether the run goes on', async () => {
    const bearer = await token();
    await refuses(haproxy.urls.whileRunning, bearer, 503);
    feeder = await feed();
    await eventually('the list was read', async () => (await send(haproxy.urls.whileRunning, bearer)).status === 200);
  });

  it.each(REFUSED)('refuses %s', async (_, why, make) => {
    const bearer = await make();
    for (const url of both()) expect(await refuses(url, bearer, why === 'insufficient_scope' ? 403 : 401)).toContain(why);
  });

  it.each<[string, string, Record<string, unknown>, object?]>([
    ['no type', 'typ', {}, { typ: undefined }],
    ['the type of an identity', 'typ', {}, { typ: 'JWT' }],
    ['a type in capitals', 'typ', {}, { typ: 'AT+JWT' }],
    ['no issuer', 'iss', { iss: undefined }],
    ['several issuers', 'iss', { iss: ['x'] }],
    ['no audience', 'aud', { aud: undefined }],
    ['several audiences', 'aud', { aud: [AUDIENCE] }],
    ['no end', 'exp', { exp: undefined }],
    ['an end a second ago', 'exp', { exp: Math.floor(Date.now() / 1000) - 1 }],
    ['an end that is no number', 'exp', { exp: 'never' }],
    ['an end that is true', 'exp', { exp: true }],
    ['a beginning in an hour', 'nbf', { nbf: Math.floor(Date.now() / 1000) + 3_600 }],
    ['no beginning', 'nbf', { nbf: undefined }],
    ['scopes in an array', 'insufficient_scope', { scope: [SCOPE] }],
  ])('refuses what is signed by a key that it trusts, with %s', async (_, why, claims, header = {}) => {
    const good = decodeJwt(await token());
    const signed = (more: object, typ: object) =>
      new SignJWT({ ...good, ...more }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...typ }).sign(trusted);
    for (const url of both()) {
      await accepts(url, await signed({}, {}));
      expect(await refuses(url, await signed(claims, header), why === 'insufficient_scope' ? 403 : 401)).toContain(why);
    }
  });

  it('learns from the status list within five seconds that runs have ended, and goes on with the others', async () => {
    const ends: ((run: Run, bearer: string) => Promise<unknown>)[] = [
      ({ taskId }) => ok(world.tasks.report('completed', taskId)),
      ({ taskId }) => ok(world.tasks.steer('cancel', taskId)),
      ({ taskId }) => world.tasks.lapse(taskId), // seen by no sweep
      ({ api }, bearer) => ok(postForm(api, '/oauth/revoke', { token: bearer })),
    ];
    const other = await token();
    const learns = async (end: (typeof ends)[number]) => {
      const run = await claimed();
      const bearer = await issued(run);
      await accepts(haproxy.urls.whileRunning, bearer);
      await end(run, bearer);
      const began = performance.now();
      await eventually('it refuses', async () => (await send(haproxy.urls.whileRunning, bearer)).status !== 200);
      expect(performance.now() - began).toBeLessThan(5_000);
      expect((await send(haproxy.urls.whileRunning, bearer)).challenge).toContain('ended');
      await accepts(haproxy.urls.untilExp, bearer); // it asks nobody
    };
    await Promise.all(ends.map(learns));
    await accepts(haproxy.urls.whileRunning, other);
  });

  it('forgets nothing when it is started anew, nor when a run of seventy tokens ends', async () => {
    const run = await claimed();
    const ended = await Promise.all(Array.from({ length: 70 }, () => issued(run)));
    const [other, first] = [await token(), ended[0] as string];
    await ok(world.tasks.report('completed', run.taskId));
    const isKnown = async (bearer: string) => (await send(haproxy.urls.whileRunning, bearer)).status === 401;
    await eventually('the ends are known', async () => (await Promise.all(ended.map(isKnown))).every(Boolean), 10_000, 100);
    await haproxy[Symbol.asyncDispose]();
    haproxy = await start();
    const verdicts = new Set<number>();
    await eventually('it knows again', async () => {
      verdicts.add((await send(haproxy.urls.whileRunning, first)).status);
      return (await send(haproxy.urls.whileRunning, other)).status === 200;
    });
    expect([...verdicts].filter((status) => ![401, 503].includes(status))).toEqual([]);
    const verdict = await Promise.all(ended.map((bearer) => refuses(haproxy.urls.whileRunning, bearer)));
    expect(new Set(verdict)).toEqual(new Set(['Bearer error="invalid_token", error_description="ended"']));
  });

  it('follows tokens into the next status list, and takes nothing else for a list', async () => {
    const pathOf = (bearer: string) => new URL((claimsOf(bearer).status as { status_list: { uri: string } }).status_list.uri).pathname;
    const listOf = async (bearer: string) => (await test.root.as().get(pathOf(bearer))).body as string;
    const run = await claimed();
    const ended = await issued(run);
    await ok(world.tasks.report('completed', run.taskId));
    await eventually('the end is known', async () => (await send(haproxy.urls.whileRunning, ended)).status === 401);
    await test.database.pool.query(`select setval(pg_get_serial_sequence('task_token', 'idx'), 131071)`);
    const next = await token();
    expect([ended, next].map(pathOf)).toEqual([0, 1].map((nth) => `/oauth/status-lists/${nth}`));
    await refuses(haproxy.urls.whileRunning, next, 503);
    await eventually('the next list was read', async () => (await send(haproxy.urls.whileRunning, next)).status === 200);
    const [list, other] = await Promise.all([listOf(ended), listOf(next)]);
    const clean = { ...decodeJwt(list), status_list: decodeJwt(other).status_list };
    const { privateKey } = await generateKeyPair('ES256');
    const forged = await new SignJWT(clean).setProtectedHeader(decodeProtectedHeader(list) as { alg: string }).sign(privateKey);
    for (const instead of [other, forged, `${encoded({ alg: 'none', typ: 'statuslist+jwt' })}.${encoded(clean)}.`]) {
      const said = feeder?.output;
      front.instead.set(pathOf(ended), instead);
      await eventually('it says so', () => feeder?.output !== said);
      expect(await refuses(haproxy.urls.whileRunning, ended)).toContain('ended');
    }
    front.instead.clear();
    const lists = path.join(directory, 'lists.map');
    await haproxy.command(`add map ${lists} ${front.url}/oauth/status-lists/7 0`); // as of tokens that have expired since
    await eventually('it is forgotten', async () => !(await haproxy.command(`show map ${lists}`)).includes('status-lists/7'));
    await accepts(haproxy.urls.whileRunning, next);
  });

  it('learns that a key leaked: from the status list at once, and else when it is given the keys again', async () => {
    const [bearer, { kid }] = await token().then((one) => [one, decodeProtectedHeader(one)] as const);
    for (const url of both()) await accepts(url, bearer);
    await ok(test.root.post(`/auth/v1/keys/${kid}/compromise`));
    const began = performance.now();
    await eventually('it refuses', async () => (await send(haproxy.urls.whileRunning, bearer)).status !== 200);
    expect(performance.now() - began).toBeLessThan(5_000);
    await accepts(haproxy.urls.untilExp, bearer);
    expect(await readKeys()).toContain('key-1.pem');
    await haproxy[Symbol.asyncDispose]();
    haproxy = await start();
    for (const url of both()) expect(await refuses(url, bearer)).toContain('signature');
    const fresh = await token();
    await accepts(haproxy.urls.untilExp, fresh);
    await eventually('the list was read', async () => (await send(haproxy.urls.whileRunning, fresh)).status === 200);
  });

  it('goes on while our service is stopped: with a live token, without one that has expired or ended', async () => {
    const run = await claimed();
    const ended = await issued(run);
    await ok(world.tasks.report('completed', run.taskId));
    await eventually('the end is known', async () => (await send(haproxy.urls.whileRunning, ended)).status === 401);
    const live = await token();
    const brief = await issuedBy('brief');
    await accepts(haproxy.urls.untilExp, brief);
    await closeReplicas();
    await test.service.close();
    await expect(fetch(`${test.root.url}/.well-known/jwks.json`)).rejects.toThrow();
    for (const url of both()) await accepts(url, live);
    expect(await refuses(haproxy.urls.whileRunning, ended)).toContain('ended');
    for (const url of both()) {
      await eventually('it has expired', async () => (await send(url, brief)).status !== 200);
      expect(await refuses(url, brief)).toContain('exp');
      await accepts(url, live);
    }
    const { uri } = (claimsOf(live).status as { status_list: { uri: string } }).status_list;
    await haproxy.command(`set map ${path.join(directory, 'lists.map')} ${uri} ${Math.floor(Date.now() / 1000)}`); // as a minute later
    await refuses(haproxy.urls.whileRunning, live, 503);
    await accepts(haproxy.urls.untilExp, live);
  });
});

import { createHash } from 'node:crypto';
import taskcluster from 'taskcluster-client';
import { signBewit } from '../src/credentials/bewit.js';
import { issueTemporaryCredentials } from '../src/credentials/certificate.js';
import { authorizationHeader, type HawkAttributes, headerMac, payloadHash } from '../src/credentials/hawk.js';
import { Registry } from '../src/service/auth/registry.js';
import type { Answer, Api, Credentials } from './support/api.js';
import { startTestService, type TestService } from './support/test-service.js';

const MINUTE = 60_000;
const DAY = 86_400_000;
const TARGET = { method: 'GET', resource: '/some/thing?a=1&b', host: 'api.example.com', port: 443 };
const ISSUER_SCOPES = ['a:*', 'auth:create-client:test/named/*', 'auth:expand-scopes', 'assume:helper'];

let test: TestService;
let issuer: Credentials;

beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, anonymousScopes: ['open:configured', 'auth:current-scopes'] });
  await test.role('helper', 'help:*');
  await test.role('anonymous', 'open:stored');
  issuer = await newClient(ISSUER_SCOPES);
});
afterAll(() => test.close());

const OPEN = ['assume:anonymous', 'auth:current-scopes', 'open:configured', 'open:stored'];

async function succeed(call: Promise<Answer>): Promise<Answer['body']> {
  const { status, body } = await call;
  if (status >= 300) throw new Error(`${status} ${body.message}`);
  return body;
}

async function newClient(scopes: string[]): Promise<Credentials> {
  return (await test.client(...scopes)).credentials!;
}

const clientPath = ({ clientId }: Credentials, verb = '') => `/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

/** What authenticateHawk says of a request to some other service. */
async function ask(authorization?: string, target: object = TARGET): Promise<Answer['body']> {
  const { method, ...rest } = { ...TARGET, ...target };
  const request = { method: method.toLowerCase(), ...rest, ...(authorization === undefined ? {} : { authorization }) };
  const { status, body } = await test.root.as().post('/auth/v1/authenticate-hawk', request);
  expect(status).toBe(200);
  return body;
}

function header(credentials: Credentials, authorizedScopes?: string[], nowMs = Date.now()): string {
  return authorizationHeader(credentials, TARGET, { nowMs, nonce: 'abcdef', ...(authorizedScopes ? { authorizedScopes } : {}) });
}

/** A header of any attributes, under a MAC that is right for them. */
function headerOf(accessToken: string, attributes: Partial<HawkAttributes>, target = TARGET): string {
  const all = { id: issuer.clientId, ts: String(Math.floor(Date.now() / 1000)), nonce: 'abcdef', ...attributes };
  const signed = { ...all, mac: attributes.mac ?? headerMac(accessToken, target, all) };
  return `Hawk ${Object.entries(signed)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}`;
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');

interface Temporary {
  name?: string;
  scopes?: string[];
  start?: number;
  expiry?: number;
  by?: Credentials;
}

/** Temporary credentials as the unmodified client of the npm registry makes them. */
function temporary({ name, scopes = ['a:b'], start = Date.now(), expiry = Date.now() + DAY, by = issuer }: Temporary = {}): Credentials {
  const options = { start: new Date(start), expiry: new Date(expiry), scopes, credentials: by };
  return taskcluster.createTemporaryCredentials(name ? { ...options, clientId: name } : options);
}

describe('who made a request', () => {
  it('is nobody without credentials, who may do what anonymous callers may', async () => {
    const body = await ask();
    expect(body).toEqual({ status: 'no-auth', scheme: 'none', scopes: OPEN, expires: expect.any(String) });
    expect(Math.abs(Date.parse(body.expires) - Date.now() - 15 * MINUTE)).toBeLessThan(MINUTE);
    const anonymous = await test.root.as().get('/auth/v1/scopes/current');
    expect(anonymous).toMatchObject({ status: 200, body: { scopes: OPEN } });
  });

  it('is a permanent client, with all that its roles and the anonymous role grant', async () => {
    const body = await ask(header(issuer));
    const scopes = [...ISSUER_SCOPES, 'help:*', ...OPEN].sort();
    expect(body).toEqual({ status: 'auth-success', scheme: 'hawk', clientId: issuer.clientId, scopes, expires: expect.any(String) });
    const { body: client } = await test.root.get(clientPath(issuer));
    expect(body.expires).toBe(client.expires);
  });

  it('is told with the payload hash that was signed', async () => {
    const hash = payloadHash('application/json', '{}');
    expect(await ask(headerOf(issuer.accessToken, { hash }))).toMatchObject({ status: 'auth-success', hash });
  });

  it.each(['sha256 of Hawk for a host in capitals', 'a signed URL'])('does not depend on the case of the host: %s', async (kind) => {
    const upper = { ...TARGET, host: 'API.example.COM' };
    const exp = Math.floor(Date.now() / 1000) + 60;
    const asked =
      kind === 'a signed URL'
        ? ask(undefined, { ...upper, resource: `${TARGET.resource}&bewit=${signBewit(issuer, TARGET, { exp })}` })
        : ask(header(issuer), upper);
    expect(await asked).toMatchObject({ status: 'auth-success' });
  });

  it('reads ext in both base64 alphabets, padded or not', async () => {
    const ext = base64({ authorizedScopes: ['a:>>>???~~~'] });
    expect(ext).toMatch(/[+/]/);
    for (const spelled of [
      ext,
      Buffer.from(ext, 'base64').toString('base64url'),
      ext.replace(/=+$/, ''),
      ext.replace(/\+/g, '-').replace(/\//g, '_'),
    ]) {
      expect(await ask(headerOf(issuer.accessToken, { ext: spelled }))).toMatchObject({ scopes: ['a:>>>???~~~', ...OPEN] });
    }
    expect(await ask(headerOf(issuer.accessToken, { ext: 'e30=' }))).toMatchObject({ status: 'auth-success' });
  });

  it('is recorded, every six hours at most', async () => {
    const client = await test.client('auth:current-scopes');
    const path = clientPath(client.credentials!);
    const { clientId } = client.credentials!;
    const stored = async () => (await test.database.pool.query('select last_used from client where client_id = $1', [clientId])).rows[0];
    await test.database.pool.query(`update client set last_used = now() - interval '5 hours' where client_id = $1`, [clientId]);
    await succeed(test.root.post(`${path}/enable`)); // makes the service read the table
    const before = await stored();
    await succeed(client.get('/auth/v1/scopes/current'));
    expect(await stored()).toEqual(before);
    await test.database.pool.query(`update client set last_used = now() - interval '7 hours' where client_id = $1`, [clientId]);
    await succeed(test.root.post(`${path}/enable`));
    await succeed(client.get('/auth/v1/scopes/current'));
    await until(async () => Date.now() - (await stored()).last_used.getTime() < MINUTE);
    expect(Date.now() - Date.parse((await test.root.get(path)).body.lastDateUsed)).toBeLessThan(MINUTE);
  });
});

async function until(done: () => Promise<boolean>, withinMs = 5_000): Promise<void> {
  for (const end = Date.now() + withinMs; !(await done()); await new Promise((go) => setTimeout(go, 20))) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms`);
  }
}

describe('temporary credentials', () => {
  it('unnamed, of the unmodified client: the scopes of the certificate and its end', async () => {
    const expiry = Date.now() + 10 * MINUTE;
    const body = await ask(header(temporary({ scopes: ['a:b', 'assume:helper'], expiry })));
    const scopes = ['a:b', 'assume:helper', 'help:*', ...OPEN].sort();
    expect(body).toMatchObject({ status: 'auth-success', clientId: issuer.clientId, scopes, expires: new Date(expiry).toISOString() });
  });

  it('named, of the unmodified client: the name', async () => {
    expect(await ask(header(temporary({ name: 'test/named/x' })))).toMatchObject({ clientId: 'test/named/x', scopes: ['a:b', ...OPEN] });
  });

  it.each([undefined, 'test/named/empty'])('may carry no scopes at all (name %s), however the issuer ends the text', async (name) => {
    expect(await ask(header(temporary({ scopes: [], ...(name ? { name } : {}) })))).toMatchObject({ scopes: OPEN });
    const start = Date.now();
    const ours = issueTemporaryCredentials({ issuer, ...(name ? { name } : {}), scopes: [], start, expiry: start + DAY });
    expect(await ask(header(ours))).toMatchObject({ scopes: OPEN });
  });

  it('live five minutes longer at both ends, and end no later than their issuer', async () => {
    const now = Date.now();
    expect(await ask(header(temporary({ start: now + 4 * MINUTE })))).toMatchObject({ status: 'auth-success' });
    const over = await ask(header(temporary({ start: now - DAY, expiry: now - 4 * MINUTE })));
    expect(over).toMatchObject({ status: 'auth-success', expires: new Date(now - 4 * MINUTE).toISOString() });
    const { body } = await test.root.get(clientPath(issuer));
    expect(await ask(header(temporary({ expiry: now + 30 * DAY })))).toMatchObject({ expires: body.expires });
  });

  it('cannot make others', async () => {
    const first = temporary({ name: 'test/named/first', scopes: ['a:b', 'auth:create-client:test/named/*'] });
    const second = temporary({ by: { clientId: first.clientId, accessToken: first.accessToken }, name: 'test/named/second' });
    expect(await ask(header(second))).toEqual({ status: 'auth-failed', message: "Client with clientId 'test/named/first' not found" });
  });

  it.each(['disable', 'reset', 'expire', 'delete'])('end at once when somebody does %s to their issuer', async (verb) => {
    const by = await newClient(ISSUER_SCOPES);
    const made = [by, temporary({ by }), temporary({ by, name: 'test/named/ending' })];
    for (const one of made) expect(await ask(header(one))).toMatchObject({ status: 'auth-success' });
    if (verb === 'expire') await succeed(test.root.post(clientPath(by), { expires: inMs(-1000), description: '' }));
    else if (verb === 'delete') await succeed(test.root.delete(clientPath(by)));
    else await succeed(test.root.post(clientPath(by, `/${verb}`)));
    const id = by.clientId;
    const messages = {
      disable: Array(3).fill(`Client with clientId '${id}' is disabled`),
      expire: Array(3).fill(`Client with clientId: '${id}' has expired`),
      delete: Array(3).fill(`Client with clientId '${id}' not found`),
      reset: [
        'Unauthorized: Bad mac',
        'ext.certificate.signature is not valid',
        'ext.certificate.signature is not valid, or wrong clientId provided',
      ],
    };
    const answers = await Promise.all(made.map((one) => ask(header(one))));
    expect(answers.map(({ message }) => message)).toEqual(messages[verb as keyof typeof messages]);
  });

  it('are worth again what they were once their issuer is enabled', async () => {
    const by = await newClient(['a:*']);
    const made = temporary({ by });
    await succeed(test.root.post(clientPath(by, '/disable')));
    expect(await ask(header(made))).toMatchObject({ status: 'auth-failed' });
    await succeed(test.root.post(clientPath(by, '/enable')));
    expect(await ask(header(made))).toMatchObject({ status: 'auth-success', scopes: ['a:b', ...OPEN] });
  });

  it('lose what their issuer loses', async () => {
    const by = await newClient(['a:*']);
    const made = temporary({ by });
    await succeed(test.root.post(clientPath(by), { expires: inMs(DAY), description: '', scopes: ['a:c'] }));
    expect((await ask(header(made))).message).toMatch(/doesn't satisfy all certificate scopes a:b\. {2}The temporary credentials/);
  });
});

describe('authorizedScopes', () => {
  it('restrict a caller to less, even to nothing of its own', async () => {
    expect(await ask(header(issuer, ['a:x', 'assume:helper']))).toMatchObject({
      scopes: ['a:x', 'assume:helper', 'help:*', ...OPEN].sort(),
    });
    expect(await ask(header(issuer, []))).toMatchObject({ status: 'auth-success', scopes: OPEN });
    expect(await ask(header(temporary(), ['a:b', 'open:stored']))).toMatchObject({ scopes: ['a:b', ...OPEN] });
    const caller = test.root.as(issuer);
    expect(await caller.post('/auth/v1/scopes/expand', { scopes: [] })).toMatchObject({ status: 200 });
    expect(await caller.post('/auth/v1/scopes/expand', { scopes: [] }, { authorizedScopes: [] })).toMatchObject({ status: 403 });
  });

  it('may ask for what a role or anonymous callers have', async () => {
    expect(await ask(header(issuer, ['help:me', 'open:stored']))).toMatchObject({ status: 'auth-success' });
  });

  it.each([[['b']], [['a:x', 'a']], [['*']], [['help*']]])('are refused beyond what is held: %j', async (authorizedScopes) => {
    const { status, message } = await ask(header(issuer, authorizedScopes));
    expect(status).toBe('auth-failed');
    expect(message).toMatch(/^Supplied credentials do not satisfy authorizedScopes; credentials have scopes:\n```\n/);
  });

  it('of temporary credentials are measured by their certificate, not by their issuer', async () => {
    expect(await ask(header(temporary({ scopes: ['a:b'] }), ['a:c']))).toMatchObject({ status: 'auth-failed' });
  });
});

describe('a database that does not answer', () => {
  it('is given up after five seconds, and asked anew', async () => {
    let asked = 0;
    const query = () => (asked++ > 0 ? Promise.resolve([]) : new Promise(() => undefined));
    const parts = [{ query }, {}, { anonymousScopes: [] }, {}] as unknown as ConstructorParameters<typeof Registry>;
    const registry = new Registry(...parts);
    const waiting = [registry.fresh(), registry.fresh()];
    await expect(waiting[0]).rejects.toThrow('within 5000 ms');
    await waiting[1];
    await registry.fresh();
  }, 15_000);
});

describe('the refusals, in their order', () => {
  const now = () => Date.now();
  const NAME = 'test/named/refused';
  const certificate = () => JSON.parse(temporary({ name: NAME }).certificate!) as Record<string, unknown>;
  const named = (change: object) => headerOf('x', { id: NAME, ext: base64({ certificate: { ...certificate(), ...change } }) });
  const unnamed = (change: object) =>
    headerOf('x', { ext: base64({ certificate: { ...JSON.parse(temporary().certificate!), ...change } }) });
  const bewit = (text: string) => ({ resource: `/x?bewit=${Buffer.from(text).toString('base64url')}` });
  const signedUrl = (exp: number) => ({ resource: `/x?bewit=${signBewit(issuer, { ...TARGET, resource: '/x' }, { exp })}` });
  const CERT = 'ext.certificate';

  const rows: [string, () => [authorization?: string, target?: object], string | RegExp][] = [
    [
      'header and signed URL',
      () => [header(issuer), { resource: '/x?bewit=abc' }],
      "Cannot use two authentication schemes at once this request has both bewit in querystring and 'authorization' header",
    ],
    ['a header beyond 4096', () => [`Hawk id="${'a'.repeat(4090)}"`], 'Bad Request: Header length too long'],
    [
      'a signed URL beyond 4096',
      () => [undefined, { resource: `/x?bewit=${'a'.repeat(4090)}` }],
      'Bad Request: Resource path exceeds max length',
    ],
    ['another scheme', () => ['Bearer abc'], 'Unauthorized: Unauthorized'],
    ['no attributes', () => ['Hawk'], 'Bad Request: Invalid header syntax'],
    ['no syntax', () => ['Hawk id=a'], 'Bad Request: Bad header format'],
    ['an unknown attribute', () => ['Hawk id="a", key="b"'], 'Bad Request: Unknown attribute: key'],
    ['a value that is not printable', () => ['Hawk id="é"'], 'Bad Request: Bad attribute value: id'],
    ['an attribute twice', () => ['Hawk id="a", id="a"'], 'Bad Request: Duplicate attribute: id'],
    ['a missing attribute', () => ['Hawk id="a", ts="1", nonce="b"'], 'Bad Request: Missing attributes'],
    ['ext that is not base64', () => [headerOf('x', { ext: '!' })], 'Failed to parse ext'],
    ['ext that is not JSON', () => [headerOf('x', { ext: 'e30x' })], 'Failed to parse ext'],
    ['ext that is a list', () => [headerOf('x', { ext: base64([]) })], 'Failed to parse ext'],
    ['an issuer that is no text', () => [named({ issuer: 1 })], `${CERT}.issuer must be a string`],
    ['an issuer of itself', () => [named({ issuer: NAME })], `${CERT}.issuer must differ from the supplied clientId`],
    ['an unknown client', () => [headerOf('x', { id: 'nobody' })], "Client with clientId 'nobody' not found"],
    ['an unknown issuer', () => [named({ issuer: 'nobody' })], "Client with clientId 'nobody' not found"],
    [
      'the issuer of runs itself',
      () => [headerOf('x', { id: 'static/leasehold/queue' })],
      "Client with clientId 'static/leasehold/queue' not found",
    ],
    ['a certificate that is a text', () => [headerOf('x', { ext: base64({ certificate: 'x' }) })], `${CERT} must be a JSON object`],
    ['a version', () => [named({ version: 2 })], `${CERT}.version must be 1`],
    ['a seed that is no text', () => [named({ seed: 1 })], `${CERT}.seed must be a string`],
    ['a short seed', () => [named({ seed: 'x' })], `${CERT}.seed must be 44 characters`],
    ['a start that is no number', () => [named({ start: '1' })], `${CERT}.start must be a number`],
    ['an expiry that is no number', () => [named({ expiry: null })], `${CERT}.expiry must be a number`],
    ['scopes that are no list', () => [named({ scopes: 'a:b' })], `${CERT}.scopes must be an array`],
    ...['a b', 'a"b', 'a\\b', '', 'é', 'a\n'].map((scope): [string, () => [string], string] => [
      `the scope ${JSON.stringify(scope)}`,
      () => [named({ scopes: [scope] })],
      `${CERT}.scopes must be an array of valid scopes`,
    ]),
    ['a start to come', () => [named({ start: now() + 6 * MINUTE })], `${CERT}.start > now`],
    ['an expiry gone by', () => [named({ start: 0, expiry: now() - 6 * MINUTE })], `${CERT}.expiry < now`],
    ['32 days', () => [named({ start: now() - DAY, expiry: now() + 30.5 * DAY })], `${CERT} cannot last longer than 31 days!`],
    [
      'a name the issuer may not give',
      () => [headerOf('x', { id: 'other/name', ext: base64({ certificate: certificate() }) })],
      /^ext\.certificate issuer `test\/client-\d+` doesn't have `auth:create-client:other\/name` for supplied clientId\.$/,
    ],
    ['a clientId without issuer', () => [unnamed({ clientId: 'x' })], `${CERT}.clientId must only be used with ${CERT}.issuer`],
    [
      'scopes the issuer lacks',
      () => [named({ scopes: ['b:1', 'b:2'] })],
      /^ext\.certificate issuer `test\/client-\d+` doesn't satisfy all certificate scopes b:1, b:2\. {2}The temporary credentials were not generated correctly\.$/,
    ],
    [
      'scopes that only anonymous callers have',
      () => [named({ scopes: ['open:stored'] })],
      /doesn't satisfy all certificate scopes open:stored\. {2}/,
    ],
    ['a signature', () => [unnamed({ signature: 'x' })], `${CERT}.signature is not valid`],
    ['a signature under a name', () => [named({ signature: 'x' })], `${CERT}.signature is not valid, or wrong clientId provided`],
    [
      'authorizedScopes that are no list',
      () => [headerOf('x', { ext: base64({ authorizedScopes: 'a' }) })],
      'ext.authorizedScopes must be an array',
    ],
    ...['a b', 'a"b', 'a\\b', ''].map((scope): [string, () => [string], string] => [
      `the authorized scope ${JSON.stringify(scope)}`,
      () => [headerOf('x', { ext: base64({ authorizedScopes: [scope] }) })],
      'ext.authorizedScopes must be an array of valid scopes',
    ]),
    [
      'authorizedScopes beyond',
      () => [headerOf(issuer.accessToken, { ext: base64({ authorizedScopes: ['zzz'] }) })],
      /^Supplied credentials do not satisfy authorizedScopes; credentials have scopes:\n```\na:\*\n[^`]*```\nauthorizedScopes are:\n```\nzzz\n```$/,
    ],
    [
      'authorizedScopes beyond, from somebody without the key',
      () => [headerOf('x', { ext: base64({ authorizedScopes: ['zzz'] }) })],
      'Supplied credentials do not satisfy authorizedScopes',
    ],
    ['a MAC by another key', () => [headerOf('x', {})], 'Unauthorized: Bad mac'],
    ['a MAC for another path', () => [header(issuer), { resource: '/some/other?a=1&b' }], 'Unauthorized: Bad mac'],
    ['a MAC for another method', () => [header(issuer), { method: 'POST' }], 'Unauthorized: Bad mac'],
    ['a MAC for another port', () => [header(issuer), { port: 80 }], 'Unauthorized: Bad mac'],
    ['a MAC for another host', () => [header(issuer), { host: 'api.example.org' }], 'Unauthorized: Bad mac'],
    ['a short MAC', () => [headerOf('x', { mac: 'eA==' })], 'Unauthorized: Bad mac'],
    ['an old timestamp', () => [header(issuer, undefined, now() - 16 * MINUTE)], 'Unauthorized: Stale timestamp'],
    ['a timestamp to come', () => [header(issuer, undefined, now() + 16 * MINUTE)], 'Unauthorized: Stale timestamp'],
    ['a timestamp that is none', () => [headerOf(issuer.accessToken, { ts: 'soon' })], 'Unauthorized: Stale timestamp'],
    [
      'a signed URL for a POST',
      () => [undefined, { ...signedUrl(Math.floor(now() / 1000) + 60), method: 'POST' }],
      'Unauthorized: Invalid method',
    ],
    ['an empty bewit', () => [undefined, { resource: '/x?bewit=' }], 'Unauthorized: Empty bewit'],
    ['a bewit that is not base64url', () => [undefined, { resource: '/x?bewit=a=b' }], 'Bad Request: Invalid bewit encoding'],
    ['a bewit of three fields', () => [undefined, bewit('a\\1\\m')], 'Bad Request: Invalid bewit structure'],
    ['a bewit of five fields', () => [undefined, bewit('a\\1\\m\\\\')], 'Bad Request: Invalid bewit structure'],
    ['a bewit of empty fields', () => [undefined, bewit('a\\1\\\\')], 'Bad Request: Missing bewit attributes'],
    ['a bewit with a bad ext', () => [undefined, bewit('a\\1\\m\\!')], 'Failed to parse ext'],
    ['a bewit of nobody', () => [undefined, bewit('nobody\\1\\m\\')], "Client with clientId 'nobody' not found"],
    ['a bewit for another URL', () => [undefined, { resource: `${signedUrl(9e9).resource}&more=1` }], 'Unauthorized: Bad mac'],
    ['a signed URL gone by', () => [undefined, signedUrl(Math.floor(now() / 1000) - 1)], 'Unauthorized: Access expired'],
  ];

  it.each(rows)('%s', async (_, make, message) => {
    const body = await ask(...make());
    expect(body).toEqual({ status: 'auth-failed', message: expect.any(String) });
    if (message instanceof RegExp) expect(body.message).toMatch(message);
    else expect(body.message).toBe(message);
  });

  /** Each makes one thing wrong, from the first that is looked at to the last. */
  interface Presented {
    name: string;
    certificate: Record<string, unknown>;
    authorizedScopes: unknown;
    key: string;
    nowMs: number;
  }
  const faults: [string | RegExp, (presented: Presented) => void][] = [
    [/not found$/, (one) => (one.certificate.issuer = 'nobody')],
    [/version must be 1$/, (one) => (one.certificate.version = 2)],
    [/seed must be 44 characters$/, (one) => (one.certificate.seed = 'x')],
    [/start must be a number$/, (one) => (one.certificate.start = 'x')],
    [/scopes must be an array of valid scopes$/, (one) => (one.certificate.scopes = [' '])],
    [/start > now$/, (one) => (one.certificate.start = Date.now() + DAY)],
    [/expiry < now$/, (one) => (one.certificate.expiry = 1)],
    [/for supplied clientId\.$/, (one) => (one.name = 'other/name')],
    [/not generated correctly\.$/, (one) => (one.certificate.scopes = ['b'])],
    [/signature is not valid/, (one) => (one.certificate.signature = 'x')],
    [/authorizedScopes must be an array$/, (one) => (one.authorizedScopes = 1)],
    [/^Supplied credentials do not satisfy/, (one) => (one.authorizedScopes = ['b'])],
    [/Bad mac$/, (one) => (one.key = 'x')],
    [/Stale timestamp$/, (one) => (one.nowMs = 0)],
  ];

  it.each(faults.map(([message], index) => [String(message), index]))(
    'with everything from here on wrong, the answer is %s',
    async (_, index) => {
      const made = temporary({ name: NAME });
      const presented: Presented = {
        name: NAME,
        certificate: JSON.parse(made.certificate!),
        authorizedScopes: ['a:b'],
        key: made.accessToken,
        nowMs: Date.now(),
      };
      for (const [, spoil] of faults.slice(index as number).toReversed()) spoil(presented);
      const { name, key, nowMs, ...ext } = presented;
      const ts = String(Math.floor(nowMs / 1000));
      const authorization = headerOf(key, {
        id: name,
        ts,
        ext: base64({ certificate: ext.certificate, authorizedScopes: ext.authorizedScopes }),
      });
      expect((await ask(authorization)).message).toMatch(faults[index as number]![0]);
    },
  );

  it('come as 401 with a challenge where an operation is called', async () => {
    const caller = test.root.as({ ...issuer, accessToken: 'x' });
    const { status, body, headers } = await caller.get('/auth/v1/scopes/current');
    expect({ status, code: body.code }).toEqual({ status: 401, code: 'AuthenticationFailed' });
    expect(body.message).toMatch(/^Unauthorized: Bad mac\n\n---\n\n/);
    expect(headers['www-authenticate']).toBe('hawk, Bearer, DPoP algs="ES256 ES384 ES512 PS256 RS256 EdDSA Ed25519"');
  });

  it('do not come where no credentials are looked at', async () => {
    for (const path of ['/auth/v1/ping', '/queue/v1/ping', '/__heartbeat__']) {
      expect(await test.root.get(path, { authorization: 'Hawk' })).toMatchObject({ status: 200 });
    }
  });

  it('never name a key', async () => {
    const text = JSON.stringify([await ask(named({ signature: 'x' })), await ask(headerOf('x', {})), await ask(header(issuer, ['zzz']))]);
    expect(text).not.toContain(issuer.accessToken);
  });
});

describe('a signed URL', () => {
  const sign = (credentials: Credentials, resource: string, authorizedScopes?: string[]) => {
    const { hostname, port } = new URL(test.root.url);
    const exp = Math.floor(Date.now() / 1000) + 60;
    const restriction = authorizedScopes ? { authorizedScopes } : {};
    return signBewit(credentials, { resource, host: hostname, port: Number(port) }, { exp, ...restriction });
  };

  it('answers GET and HEAD, as the client who signed it', async () => {
    const path = '/api/auth/v1/scopes/current';
    const url = `${path}?bewit=${sign(issuer, path)}`;
    const anonymous = test.root.as();
    expect((await anonymous.get(url)).body.scopes).toEqual([...ISSUER_SCOPES, 'help:*', ...OPEN].sort());
    expect(await anonymous.request('head', url)).toMatchObject({ status: 200 });
    expect(await anonymous.request('head', `${path}?bewit=x`)).toMatchObject({ status: 401 });
  });

  it('goes with other parameters, before and after', async () => {
    const { credentials } = await test.client('auth:list-roles');
    const path = '/api/auth/v1/roleids';
    const bewit = sign(credentials!, `${path}?limit=1`);
    for (const url of [`${path}?limit=1&bewit=${bewit}`, `${path}?bewit=${bewit}&limit=1`]) {
      expect(await test.root.as().get(url)).toMatchObject({ status: 200, body: { roleIds: ['anonymous'] } });
    }
    expect(await test.root.as().get(`${path}?limit=2&bewit=${bewit}`)).toMatchObject({ status: 401 });
  });

  it('carries temporary credentials and authorizedScopes', async () => {
    const path = '/api/auth/v1/scopes/current';
    const url = `${path}?bewit=${sign(temporary({ name: 'test/named/url', scopes: ['a:*'] }), path, ['a:1'])}`;
    expect((await test.root.as().get(url)).body.scopes).toEqual(['a:1', ...OPEN]);
  });

  it('does not go with a header, nor with another method', async () => {
    const path = '/api/auth/v1/scopes/current';
    const url = `${path}?bewit=${sign(issuer, path)}`;
    expect((await test.root.as(issuer).get(url)).body.message).toMatch(/^Cannot use two authentication schemes at once/);
    const expand = '/api/auth/v1/scopes/expand';
    const posted = await test.root.as().post(`${expand}?bewit=${sign(issuer, expand)}`, { scopes: [] });
    expect(posted).toMatchObject({ status: 401, body: { code: 'AuthenticationFailed' } });
  });
});

describe('the payload hash', () => {
  const expand = (hash: string, body: object | undefined, contentType?: string) => {
    const { hostname, port } = new URL(test.root.url);
    const target = { method: 'POST', resource: '/api/auth/v1/scopes/expand', host: hostname, port: Number(port) };
    const authorization = headerOf(issuer.accessToken, { hash }, target);
    return test.root.post(target.resource, body, { authorization, ...(contentType ? { headers: { 'content-type': contentType } } : {}) });
  };
  const body = { scopes: ['a', 'b:*'] };
  const right = payloadHash('application/json', JSON.stringify(body));

  it('is checked with the body and its type, without parameters', async () => {
    expect(await expand(right, body)).toMatchObject({ status: 200 });
    expect(await expand(right, body, 'Application/JSON; charset=utf-8')).toMatchObject({ status: 200 });
  });

  it.each([
    ['another body', payloadHash('application/json', '{}')],
    ['another type', payloadHash('text/plain', JSON.stringify(body))],
    ['a short one', 'eA=='],
    ['a long one', `${right}${right}`],
    ['hexadecimal', createHash('sha256').update('x').digest('hex')],
    ['a word', 'none'],
  ])('is refused with 401: %s', async (_, hash) => {
    const { status, body: answer } = await expand(hash, body);
    expect(status).toBe(401);
    expect(answer).toMatchObject({ code: 'AuthenticationFailed', message: expect.stringMatching(/^Invalid payload hash: /) });
  });

  it('comes after the MAC and before the scopes', async () => {
    const { hostname, port } = new URL(test.root.url);
    const target = { method: 'GET', resource: '/api/auth/v1/clients', host: hostname, port: Number(port) };
    const forged = await test.root.get(target.resource, { authorization: headerOf('x', { hash: 'x' }, target) });
    expect(forged.body.message).toMatch(/^Unauthorized: Bad mac/);
    const lacking = await test.root.get(target.resource, { authorization: headerOf(issuer.accessToken, { hash: 'x' }, target) });
    expect(lacking.body.message).toMatch(/^Invalid payload hash/);
  });
});

describe('the Python client', () => {
  /** It always sends a hash and an ext, in the URL-safe alphabet, and strips trailing slashes. */
  const call = (credentials: Credentials, method: 'get' | 'post', resource: string, body?: object, ext: object = {}) => {
    const { hostname, port } = new URL(test.root.url);
    const target = { method, resource, host: hostname, port: Number(port) };
    const hash = body ? payloadHash('application/json', JSON.stringify(body)) : payloadHash(undefined, '');
    const encoded = Buffer.from(JSON.stringify(ext)).toString('base64').replace(/\+/g, '-').replace(/\//g, '_');
    const authorization = headerOf(credentials.accessToken, { id: credentials.clientId, hash, ext: encoded }, target);
    return test.root.request(method, resource, { body, authorization });
  };

  it('reads and writes', async () => {
    const client = await newClient(['auth:list-clients', 'auth:list-roles', 'auth:expand-scopes']);
    for (const path of ['clients', 'roles', 'scopes/current']) {
      expect(await call(client, 'get', `/api/auth/v1/${path}`)).toMatchObject({ status: 200 });
    }
    expect(await call(client, 'post', '/api/auth/v1/scopes/expand', { scopes: ['a'] })).toMatchObject({ status: 200 });
  });

  it('uses temporary credentials', async () => {
    const made = temporary({ name: 'test/named/python', scopes: ['a:>>>???~~~'] });
    const ext = { certificate: JSON.parse(made.certificate!), authorizedScopes: ['a:>>>???~~~'] };
    const { body } = await call(made, 'get', '/api/auth/v1/scopes/current', undefined, ext);
    expect(body.scopes).toEqual(['a:>>>???~~~', ...OPEN]);
  });

  it('tries itself out', async () => {
    const tester = { clientId: 'tester', accessToken: 'no-secret' };
    expect(await call(tester, 'get', '/api/auth/v1/test-authenticate-get')).toMatchObject({ status: 200, body: { clientId: 'tester' } });
    const scopes = { clientScopes: ['x'], requiredScopes: ['x'] };
    expect(await call(tester, 'post', '/api/auth/v1/test-authenticate', scopes)).toMatchObject({ status: 200 });
  });
});

describe('behind a proxy', () => {
  const call = (host: string, port: number, headers: Record<string, string>) => {
    const target = { method: 'GET', resource: '/api/auth/v1/scopes/current', host, port };
    return test.root.get(target.resource, { authorization: headerOf(issuer.accessToken, {}, target), headers });
  };

  it.each([
    ['tc.example.com', 80, { host: 'tc.example.com' }],
    ['tc.example.com', 8080, { host: 'TC.example.com:8080' }],
    ['tc.example.com', 443, { host: 'tc.example.com', 'x-forwarded-proto': 'https' }],
    ['tc.example.com', 443, { host: 'tc.example.com:8080', 'x-forwarded-proto': 'https' }],
    ['tc.example.com', 444, { host: 'tc.example.com:8080', 'x-forwarded-proto': 'https', 'x-forwarded-port': '444' }],
    ['tc.example.com', 444, { host: 'inner', 'x-forwarded-host': 'tc.example.com:8080', 'x-forwarded-port': '444' }],
    ['tc.example.com', 8080, { host: 'inner:1', 'x-forwarded-host': 'tc.example.com:8080' }],
    ['tc.example.com', 443, { host: 'inner:1', 'x-forwarded-host': 'tc.example.com, other', 'x-forwarded-proto': 'https, http' }],
    ['[::1]', 8080, { host: '[::1]:8080' }],
    ['[::1]', 80, { host: '[::1]' }],
  ])('the request was sent to %s port %d by %j', async (host, port, headers) => {
    expect(await call(host, port, headers)).toMatchObject({ status: 200 });
  });

  it.each([
    ['tc.example.com', 8080, { host: 'tc.example.com' }],
    ['inner', 80, { host: 'inner', 'x-forwarded-host': 'tc.example.com' }],
    ['tc.example.com', 80, { host: 'tc.example.com', 'x-forwarded-port': 'eighty' }],
    ['tc.example.com', 80, { host: 'tc.example.com', 'x-forwarded-port': '-1' }],
  ])('a signature for %s port %d is not for %j', async (host, port, headers) => {
    expect(await call(host, port, headers)).toMatchObject({ status: 401, body: { code: 'AuthenticationFailed' } });
  });
});

describe('trying out signing', () => {
  const TESTER = { clientId: 'tester', accessToken: 'no-secret' };
  const auth = (credentials: Credentials | object = TESTER, options: object = {}) =>
    new taskcluster.Auth({ rootUrl: test.root.url, credentials, retries: 0, ...options });
  const raw = (credentials?: Credentials): Api => test.root.as(credentials);

  it('works with the unmodified client', async () => {
    const scopes = { clientScopes: ['test:*'], requiredScopes: ['test:x'] };
    expect(await auth().testAuthenticate(scopes)).toEqual({ clientId: 'tester', scopes: ['assume:anonymous', 'test:*'] });
    expect(await auth().testAuthenticateGet()).toEqual({
      clientId: 'tester',
      scopes: ['assume:anonymous', 'auth:create-client:test:*', 'test:*'],
    });
    const restricted = auth(TESTER, { authorizedScopes: ['test:authenticate-get'] });
    expect(await restricted.testAuthenticateGet()).toEqual({ clientId: 'tester', scopes: ['assume:anonymous', 'test:authenticate-get'] });
  });

  it('works with its temporary credentials and its signed URLs', async () => {
    const made = temporary({ by: TESTER, name: 'test:name', scopes: ['test:*'] });
    expect(await auth(made).testAuthenticateGet()).toMatchObject({ clientId: 'test:name', scopes: ['assume:anonymous', 'test:*'] });
    const clientScopes = ['test:*', 'auth:create-client:test:*'];
    expect(await auth(made).testAuthenticate({ clientScopes, requiredScopes: ['test:x'] })).toMatchObject({ clientId: 'test:name' });
    for (const credentials of [TESTER, made]) {
      const client = auth(credentials);
      const url = client.buildSignedUrl(client.testAuthenticateGet);
      expect(await (await fetch(url)).json()).toMatchObject({ clientId: credentials.clientId });
    }
    await expect(auth(temporary({ by: TESTER, name: 'other', scopes: ['test:*'] })).testAuthenticateGet()).rejects.toMatchObject({
      statusCode: 401,
    });
  });

  it('takes a trailing slash or none, and HEAD', async () => {
    for (const path of ['/auth/v1/test-authenticate-get', '/auth/v1/test-authenticate-get/']) {
      expect(await raw(TESTER).get(path)).toMatchObject({ status: 200, body: { clientId: 'tester' } });
      expect(await raw(TESTER).request('head', path)).toMatchObject({ status: 200 });
    }
    expect(await raw(TESTER).post('/auth/v1/test-authenticate/', {})).toMatchObject({
      status: 200,
      body: { scopes: ['assume:anonymous'] },
    });
  });

  it('knows nobody else, and no role', async () => {
    expect((await raw(issuer).get('/auth/v1/test-authenticate-get')).body.message).toMatch(/^Client with clientId '.*' not found/);
    const { body } = await raw(TESTER).post('/auth/v1/test-authenticate', { clientScopes: ['assume:helper'] });
    expect(body.scopes).toEqual(['assume:anonymous', 'assume:helper']);
    expect(await raw(TESTER).get('/auth/v1/scopes/current')).toMatchObject({ status: 401 });
  });

  it('refuses what it would elsewhere', async () => {
    const post = (caller: Api, body: object) => caller.post('/auth/v1/test-authenticate', body);
    expect(await post(raw(TESTER), { requiredScopes: ['x'] })).toMatchObject({ status: 403, body: { code: 'InsufficientScopes' } });
    expect(await post(raw(), { clientScopes: ['x'], requiredScopes: ['x'] })).toMatchObject({ status: 403 });
    expect(await post(raw({ ...TESTER, accessToken: 'secret' }), {})).toMatchObject({ status: 401 });
    expect(await raw().get('/auth/v1/test-authenticate-get')).toMatchObject({ status: 403 });
    expect(await raw(TESTER).get('/auth/v1/test-authenticate-get', { authorizedScopes: ['test:other'] })).toMatchObject({ status: 403 });
    for (const scope of ['a b', 'a"b', 'a\\b']) {
      expect(await post(raw(TESTER), { clientScopes: [scope] })).toMatchObject({ status: 400, body: { code: 'InputValidationError' } });
      expect(await post(raw(TESTER), { requiredScopes: [scope] })).toMatchObject({ status: 400, body: { code: 'InputValidationError' } });
    }
  });

  it('checks the payload hash too', async () => {
    const { hostname, port } = new URL(test.root.url);
    for (const [method, resource] of [
      ['get', '/api/auth/v1/test-authenticate-get'],
      ['post', '/api/auth/v1/test-authenticate'],
    ] as const) {
      const target = { method, resource, host: hostname, port: Number(port) };
      const authorization = headerOf('no-secret', { id: 'tester', hash: payloadHash('application/json', '{"a":1}') }, target);
      const answer = await test.root.request(method, resource, { authorization, ...(method === 'post' ? { body: {} } : {}) });
      expect(answer).toMatchObject({ status: 401, body: { message: expect.stringMatching(/^Invalid payload hash/) } });
    }
  });

  it('opens no other service: the tester is nobody to authenticateHawk', async () => {
    expect(await ask(header(TESTER))).toMatchObject({ status: 'auth-failed', message: "Client with clientId 'tester' not found" });
  });
});

describe('authenticateHawk', () => {
  it.each([
    [{ method: 'GET' }, 'method'],
    [{ method: 'frobnicate' }, 'method'],
    [{ resource: undefined }, 'resource'],
    [{ resource: 1 }, 'resource'],
    [{ host: '' }, 'host'],
    [{ host: 'a'.repeat(256) }, 'host'],
    [{ port: '443' }, 'port'],
    [{ port: -1 }, 'port'],
    [{ port: 65_536 }, 'port'],
    [{ port: 1.5 }, 'port'],
    [{ authorization: 7 }, 'authorization'],
    [{ authorization: null }, 'authorization'],
    [{ sourceIp: {} }, 'sourceIp'],
    [{ extra: 1 }, 'extra'],
  ])('refuses %j and names the field', async (change, field) => {
    const { status, body } = await test.root.as().post('/auth/v1/authenticate-hawk', { ...TARGET, method: 'get', ...change });
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'InputValidationError' });
    expect(body.message).toContain(`* ${field}`);
  });

  it('needs no credentials of its caller and ignores bad ones', async () => {
    const request = { ...TARGET, method: 'get', sourceIp: '127.0.0.1', authorization: header(issuer) };
    const answer = await test.root.post('/auth/v1/authenticate-hawk', request, { authorization: 'Hawk id="x"' });
    expect(answer).toMatchObject({ status: 200, body: { status: 'auth-success', clientId: issuer.clientId } });
  });
});

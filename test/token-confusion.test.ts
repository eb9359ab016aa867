import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { authorizationHeader } from '../src/credentials/hawk.js';
import { PUBLISH_LEAD } from '../src/service/auth/keys/key-life.js';
import { type Answer, type Api, definition, slugid } from './support/api.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { forged, hashOf, type Pen, pensOf, strangersPen, twinOf } from './support/forge.js';
import { type Asked, HOSTILE_PROOFS, type ProofRow } from './support/hostile-proofs.js';
import { type Base, HEADER, HOSTILE_TOKENS, now, type Pens, type Row, TYP } from './support/hostile-tokens.js';
import { type RawRequest, sendRaw } from './support/raw-http.js';
import { eventually, newDataDir, onDatabase, removeDataDir, ServiceProcess } from './support/service-process.js';
import { JWKS, later } from './support/signing-keys.js';
import { claimsOf, exchange, GRANT, HERE, Prover, postForm, TYPE, tokenOf } from './support/task-tokens.js';
import { ok, Tasks } from './support/tasks.js';

/*
 * Tokens that one reader takes for something else than another, and forged ones, made from a token of a claimed run; each at every place that
 * takes a token. What is signed by the service's own key is wrong in just one thing. The pure tests are beside the code.
 */

let database: TestDatabase;
let dataDir: string;
let service: ServiceProcess;
let root: Api;
let tasks: Tasks;
/** May ask about tokens for the service, and take any back. */
let authority: Api;
let pens: Pens;
let run: Run;
/** What the run is lent in a token. */
const SCOPE = `auth:current-scopes auth:create-client:confused-* auth:exchange-token:${HERE}`;

interface Run {
  taskId: string;
  /** Calls with its credentials. */
  api: Api;
}

/** One that anybody may use, and one that is bound to a key: else there would always be something else that is wrong. */
let bearer: Base;
let bound: Base;
let prover: Prover;

const environment = (databaseUrl: string) => ({ ...onDatabase(databaseUrl), ROOT_URL: HERE, ISSUER_URL: HERE, LOG_LEVEL: 'trace' });
const masterKey = () => onDatabase('').MASTER_KEY as string;

beforeAll(async () => {
  database = await createDatabase();
  dataDir = newDataDir();
  service = await new ServiceProcess({ ...environment(database.url), DATA_DIR: dataDir, SWEEP_INTERVAL: '600', CLAIM_POLL: '0' }).ready();
  root = service.root;
  tasks = new Tasks(root, database);
  authority = await client(`auth:introspect:${HERE}`, 'auth:revoke-token');
  prover = await Prover.make();
  run = await claimed();
  [bearer, bound] = [await good(run), await good(run, prover)];
  const [es, rs] = (await pensOf(database.pool, masterKey())) as [Pen, Pen];
  const [stranger, strangersRsa] = await Promise.all([strangersPen('ES256'), strangersPen('RS256')]);
  pens = { es, rs, stranger, strangersRsa, another: await good(await claimed()) };
});
afterAll(async () => {
  await service.stop();
  await database.drop();
  removeDataDir(dataDir);
});

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

async function client(...scopes: string[]): Promise<Api> {
  const clientId = `test-${slugid()}`;
  const { accessToken } = await ok(root.put(`/auth/v1/clients/${clientId}`, { expires: inAnHour(), description: '', scopes }));
  return root.as({ clientId, accessToken });
}

async function claimed(): Promise<Run> {
  const taskId = slugid();
  await ok(tasks.put(taskId, definition({ scopes: SCOPE.split(' ') })));
  return { taskId, api: root.as((await ok(tasks.claimTask(taskId))).credentials) };
}

/** A token of the run, for the service itself unless told otherwise. */
async function lent({ api }: Run, by?: Prover, fields: Record<string, string> = {}): Promise<string> {
  const headers: Record<string, string> = by ? { dpop: await by.proof('POST', '/oauth/token') } : {};
  return tokenOf(api, { audience: HERE, ...('requested_token_type' in fields ? {} : { scope: SCOPE }), ...fields }, { headers });
}

async function good(of: Run, by?: Prover): Promise<Base> {
  const token = await lent(of, by);
  return { token, header: decodeProtectedHeader(token) as Base['header'], claims: claimsOf(token) };
}

/* The places. */

type Sent = Answer & { text: string };

let names = 0;

const raw = (request: RawRequest): Promise<Sent> => sendRaw(service.url, request);

/** A request with a token in its header; with a proof where the token is bound to a key. */
async function withToken(request: RawRequest, token: string, prover?: Prover): Promise<Sent> {
  const dpop = prover && (await prover.proof(request.method, request.path, token));
  const headers: RawRequest['headers'] = [['Authorization', `${prover ? 'DPoP' : 'Bearer'} ${token}`]];
  return raw({ ...request, headers: [...(request.headers ?? []), ...headers, ...(dpop ? [['DPoP', dpop] as [string, string]] : [])] });
}

const harmless = (): RawRequest => ({ method: 'GET', path: '/api/auth/v1/scopes/current' });
const mighty = (): RawRequest => ({
  method: 'PUT',
  path: `/api/auth/v1/clients/confused-${names++}`,
  headers: [['Content-Type', 'application/json']],
  body: JSON.stringify({ expires: inAnHour(), description: '', scopes: [] }),
});
const FORM: [string, string] = ['Content-Type', 'application/x-www-form-urlencoded'];
const form = (path: string, fields: Record<string, string>): RawRequest => ({
  method: 'POST',
  path,
  headers: [FORM],
  body: new URLSearchParams(fields).toString(),
});

async function withText(answer: Promise<Answer>): Promise<Sent> {
  const { status, headers, body } = await answer;
  return { status, headers, body, text: JSON.stringify([headers, body]) };
}

const PLACES = {
  'an operation': (token: string, by?: Prover) => withToken(harmless(), token, by),
  'a mighty operation': (token: string, by?: Prover) => withToken(mighty(), token, by),
  'the header of a form': (token: string, by?: Prover) => withToken(form('/oauth/introspect', { token }), token, by),
  subject_token: async (token: string, by?: Prover) => {
    const headers: Record<string, string> = by ? { dpop: await by.proof('POST', '/oauth/token') } : {};
    return withText(exchange(root.as(), { audience: HERE, subject_token: token, subject_token_type: TYPE('access_token') }, { headers }));
  },
  introspection: (token: string) => withText(postForm(authority, '/oauth/introspect', { token })),
  revocation: (token: string) => withText(postForm(authority, '/oauth/revoke', { token, token_type_hint: 'access_token' })),
};
type Place = keyof typeof PLACES;
const TAKE_ANY_TEXT: Place[] = ['introspection', 'revocation'];
const FORMS: Place[] = ['subject_token', ...TAKE_ANY_TEXT];
const ALL = Object.keys(PLACES) as Place[];
/** Where a proof goes with a token that is bound to a key. */
const WITH_PROOF: Place[] = ['an operation', 'a mighty operation', 'subject_token'];

/** What a header may hold as a token (RFC 9110, 11.2); a form may hold anything. */
const TOKEN68 = /^[\w.~+/-]+=*$/;
const NO_TOKEN = /^The Authorization header must be the scheme, a space, and the token/;

/** By a 401 that says to whom knows either scheme that it was the token. */
function assertRefusedHeader({ status, body, headers }: Sent, says: RegExp, error: 'invalid_token' | 'invalid_dpop_proof'): void {
  expect([status, body.code, body.message]).toEqual([401, 'AuthenticationFailed', expect.stringMatching(says)]);
  const bearerToo = error === 'invalid_token' ? ` error="${error}"` : '';
  expect(headers['www-authenticate']).toMatch(new RegExp(`^hawk, Bearer${bearerToo}, DPoP error="${error}", algs="`));
}

const REFUSES: Record<Place, (answer: Sent, says: RegExp, token: string) => void> = {
  'an operation': (answer, says, token) => assertRefusedHeader(answer, TOKEN68.test(token) ? says : NO_TOKEN, 'invalid_token'),
  'a mighty operation': (answer, says, token) => assertRefusedHeader(answer, TOKEN68.test(token) ? says : NO_TOKEN, 'invalid_token'),
  'the header of a form': (answer, says, token) => {
    assertRefusedHeader(answer, TOKEN68.test(token) ? says : NO_TOKEN, 'invalid_token');
    expect(answer.body.error).toBe('invalid_token');
  },
  subject_token: ({ status, body }, says) => {
    expect([status, body.error, body.code]).toEqual([400, 'invalid_request', 'InputError']); // as RFC 8693, 2.2.2 wants it
    expect(body.message.replace(/^subject_token: /, '')).toMatch(says);
  },
  introspection: ({ status, body }) => expect([status, body]).toEqual([200, { active: false }]),
  revocation: ({ status, text }) => expect([status, text.includes('error')]).toEqual([200, false]), // as if it had been one (RFC 7009, 2.2)
};

/** What there is of tokens and clients. */
async function effects(): Promise<object> {
  const { rows } = await database.pool.query(`
    select (select count(*)::int from task_token) as tokens, (select count(*)::int from task_token where revoked is not null) as revoked,
           (select count(*)::int from client where client_id like 'confused-%') as clients`);
  return rows[0];
}

/** What must be in no answer, log or audit log: the parts of hostile tokens, and what attackers name. */
const secrets = new Set<string>(['canary']);

function assertTellsNothing({ text }: Sent, token: string): void {
  const own = token
    .split('.')
    .filter((one) => one.length >= 24)
    .map((one) => one.slice(0, 64));
  for (const one of own) secrets.add(one);
  expect([...own, 'canary'].filter((one) => text.includes(one))).toEqual([]);
}

async function assertRefusedEverywhere([, make, says, { only, ours } = {}]: Row): Promise<void> {
  const places = (only === undefined ? ALL : only === 'forms' ? FORMS : TAKE_ANY_TEXT).filter((one) => !(ours && one === 'revocation'));
  const made = [
    { token: await make(bearer, pens), by: undefined, at: places },
    { token: await make(bound, pens), by: prover, at: places.filter((one) => WITH_PROOF.includes(one)) },
  ];
  const before = await effects();
  const sent = made.flatMap(({ token, by, at }) => at.map((place) => ({ token, place, answer: PLACES[place](token, by) })));
  for (const { token, place, answer } of sent) {
    REFUSES[place](await answer, says, token);
    assertTellsNothing(await answer, token);
  }
  expect(await effects()).toEqual(before);
}

/** An untouched token is worth something at each place: else every row would prove nothing. */
async function assertGood({ token }: Base, by: Prover | undefined, api: Api): Promise<void> {
  const before = (await effects()) as { clients: number };
  expect((await ok(PLACES['an operation'](token, by))).scopes).toEqual(expect.arrayContaining(SCOPE.split(' ')));
  expect((await PLACES['a mighty operation'](token, by)).status).toBe(200);
  expect((await ok(PLACES['the header of a form'](token, by))).active).toBe(true);
  expect((await ok(PLACES.subject_token(token, by))).access_token).toEqual(expect.any(String));
  expect((await ok(PLACES.introspection(token))).active).toBe(true);
  expect((await effects()) as object).toMatchObject({ clients: before.clients + 1 });
  const spare = await tokenOf(api, { audience: HERE });
  expect([await isActive(spare), (await PLACES.revocation(spare)).status, await isActive(spare)]).toEqual([true, 200, false]);
}

async function isActive(token: string): Promise<boolean> {
  return (await ok(postForm(authority, '/oauth/introspect', { token }))).active;
}

/** For it.each, which takes a row that lacks its last member for one with a callback. */
const named = <T extends [string, ...unknown[]]>(rows: T[]) => rows.map((row) => [row[0], row] as const);
const keyOf = (base: Base): Prover | undefined => (base === bound ? prover : undefined);

/** What is no forgery at all, but for another purpose, or over. */
const OF_OURS: Row[] = [
  ['an identity', (base) => lent(run, keyOf(base), { requested_token_type: TYPE('jwt') }), TYP, { ours: true }],
  ...['https://api.example.com', `${HERE}/`, HERE.toUpperCase(), `${HERE}.evil.example`, HERE.replace('https', 'http'), '*'].map(
    (audience): Row => [
      `for ${audience}`,
      (base) => lent(run, keyOf(base), { audience }),
      /^The token is for another audience/,
      { ours: true },
    ],
  ),
  ['a status list', statusList, TYP],
  ['a proof', () => prover.proof('GET', harmless().path, bound.token), HEADER],
  [
    'of a run that has ended',
    (base) => ofEnded(base, ({ taskId }) => ok(tasks.report('completed', taskId))),
    /is completed; they ended with it/,
    { ours: true },
  ],
  ['of a lease that is over', (base) => ofEnded(base, ({ taskId }) => tasks.lapse(taskId)), /whose lease has lapsed/, { ours: true }],
  [
    'of a run that was followed by another of the same worker',
    (base) =>
      ofEnded(base, async ({ taskId }) => {
        await ok(tasks.report('completed', taskId));
        await ok(tasks.steer('rerun', taskId));
        await ok(tasks.claimTask(taskId, 1));
      }),
    /is completed; they ended with it/,
    { ours: true },
  ],
  ['revoked', revoked, /^The token was revoked, or has expired/],
];

async function statusList({ claims }: Base): Promise<string> {
  const { uri } = (claims.status as { status_list: { uri: string } }).status_list;
  return ok(root.as().get(uri.slice(HERE.length)));
}

async function ofEnded(base: Base, end: (run: Run) => Promise<unknown>): Promise<string> {
  const other = await claimed();
  const token = await lent(other, keyOf(base));
  await end(other);
  return token;
}

async function revoked(base: Base): Promise<string> {
  const token = await lent(run, keyOf(base));
  await ok(postForm(run.api, '/oauth/revoke', { token }));
  return token;
}

describe('a token', () => {
  it('that nobody touched is worth something everywhere', async () => {
    await assertGood(bearer, undefined, run.api);
    await assertGood(bound, prover, run.api);
  });

  it.each(named(HOSTILE_TOKENS))('is refused everywhere: %s', (_, row) => assertRefusedEverywhere(row));

  it.each(named(OF_OURS))('is refused everywhere: %s', (_, row) => assertRefusedEverywhere(row));

  it('with the other signature that ECDSA has is the same token: it may no more, and ends with it', async () => {
    const other = await good(run);
    const twin = twinOf(other.token);
    expect(twin).not.toBe(other.token);
    expect((await PLACES['an operation'](twin)).status).toBe(200);
    expect(await isActive(twin)).toBe(true);
    await ok(postForm(run.api, '/oauth/revoke', { token: twin }));
    expect([await isActive(other.token), await isActive(twin)]).toEqual([false, false]);
    expect((await PLACES['an operation'](other.token)).status).toBe(401);
    const proof = await prover.proof('GET', harmless().path, bound.token);
    const asTwin = [
      ['Authorization', `DPoP ${twinOf(bound.token)}`],
      ['DPoP', proof],
    ] as [string, string][];
    assertRefusedHeader(await raw({ ...harmless(), headers: asTwin }), /ath/, 'invalid_dpop_proof');
  });

  it('of a run that ended with an exception may leave artifacts, and nothing else', async () => {
    const token = await ofEnded(bearer, ({ taskId }) => ok(tasks.report('malformed-payload', taskId)));
    for (const place of ['an operation', 'a mighty operation'] as const) {
      const { status, body } = await PLACES[place](token);
      expect([status, body.code]).toEqual([403, 'InsufficientScopes']);
    }
    REFUSES.subject_token(await PLACES.subject_token(token), /which is exception/, token);
    expect(await isActive(token)).toBe(false);
  });

  it('with what no text may hold is refused in a form before it is read', async () => {
    for (const place of FORMS) {
      const { status, body } = await PLACES[place](`${bearer.token}\u0000`);
      expect([status, body.error, body.code]).toEqual([400, 'invalid_request', 'InputValidationError']);
    }
  });

  it('that is longer than any header is not read', async () => {
    const long = (length: number) => `${bearer.token.slice(0, bearer.token.indexOf('.') + 1)}${'x'.repeat(length)}.x`;
    for (const place of ['an operation', 'a mighty operation', 'the header of a form'] as const) {
      expect((await PLACES[place](long(17_000))).status).toBe(431);
      expect([0, 431]).toContain((await PLACES[place](long(1_048_576))).status); // hung up on, perhaps before the answer was read
    }
    for (const place of FORMS) expect((await PLACES[place](long(1_048_576))).status).toBe(413);
    for (const place of FORMS) expect((await PLACES[place](long(65_500))).status).toBe(413);
    const { status, body } = await PLACES.subject_token(long(17_000));
    expect([status, body.error, body.code]).toEqual([400, 'invalid_request', 'InputValidationError']);
    expect(await isActive(bearer.token)).toBe(true);
  });
});

describe('a header', () => {
  const refused = async (headers: [string, string][], says: RegExp, request = harmless()): Promise<void> => {
    const answer = await raw({ ...request, headers: [...(request.headers ?? []), ...headers] });
    expect([answer.status, answer.body.code, answer.body.message]).toEqual([401, 'AuthenticationFailed', expect.stringMatching(says)]);
  };
  const hawk = ({ method, path }: RawRequest, { credentials } = root): string => {
    const { hostname, port } = new URL(root.url);
    return authorizationHeader(
      credentials!,
      { method, resource: path, host: hostname, port: Number(port) },
      { nowMs: Date.now(), nonce: slugid() },
    );
  };

  it('of two Authorization is not one, whichever of them is good', async () => {
    for (const request of [
      harmless(),
      mighty(),
      form('/oauth/introspect', { token: bearer.token }),
      form('/oauth/token', { grant_type: GRANT, audience: HERE }),
    ]) {
      const both = [`Bearer ${bearer.token}`, `Bearer ${pens.another.token}`, 'Bearer x', hawk(request), 'Basic eDp5', ''];
      for (const one of both)
        for (const other of both)
          await refused(
            [
              ['Authorization', one],
              ['authorization', other],
            ],
            /two Authorization headers/,
            request,
          );
    }
  });

  it('with a token beside a signature, a scheme that is none, or none at all, is no token', async () => {
    const { token } = bearer;
    const request = harmless();
    for (const value of [
      `${hawk(request)}, Bearer ${token}`,
      `Bearer ${token}, ${hawk(request)}`,
      `Hawk ${token}`,
      `Basic ${token}`,
      `JWT ${token}`,
      `Token ${token}`,
      `Bearer: ${token}`,
      `Bearer=${token}`,
      `Bearer,${token}`,
      `Bearer\t${token}`,
      `Bearer${token}`,
      `BearerBearer ${token}`,
      `Bearer Bearer ${token}`,
      `"Bearer" ${token}`,
      `Bearer <${token}>`,
      `Bearer token="${token}"`,
      `Negotiate ${token}`,
      token,
      'Bearer',
      'DPoP',
      '',
    ])
      await refused([['Authorization', value]], /^(Bad Request|Unauthorized|The (Authorization header|token))/);
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR', 'Bearer  '])
      expect((await raw({ ...request, headers: [['Authorization', `${scheme} ${token}`]] })).status).toBe(200);
  });

  it('is the only place: not the query, a form, JSON, a cookie, or a header of a proxy', async () => {
    const { token } = bearer;
    const stranger = async (request: RawRequest, expected: string) => {
      const { status, body } = await raw(request);
      expect(`${status} ${body.code}`).toBe(expected);
    };
    for (const name of ['access_token', 'token', 'bearer', 'authorization', 'Authorization', 'jwt'])
      await stranger({ ...harmless(), path: `${harmless().path}?${name}=${token}` }, '403 InsufficientScopes');
    for (const name of ['Proxy-Authorization', 'X-Authorization', 'X-Forwarded-Authorization', 'X-Access-Token', 'Cookie', 'DPoP'])
      await stranger(
        { ...harmless(), headers: [[name, name === 'Cookie' ? `access_token=${token}` : `Bearer ${token}`]] },
        '403 InsufficientScopes',
      );
    const { body = '', ...request } = mighty();
    await stranger({ ...request, body }, '403 InsufficientScopes');
    await stranger({ ...request, body: JSON.stringify({ ...JSON.parse(body), access_token: token }) }, '400 InputValidationError');
    await stranger({ ...request, headers: [FORM], body: `access_token=${token}` }, '400 MalformedPayload');
    for (const path of ['/oauth/introspect', '/oauth/revoke'])
      await stranger(form(path, { token, access_token: token }), '401 AuthenticationFailed');
    await stranger(form('/oauth/token', { grant_type: GRANT, audience: HERE, access_token: token }), '401 AuthenticationFailed');
    expect(await isActive(token)).toBe(true);
  });

  it('of a token that is bound to a key needs a proof, and that of one that is not is no DPoP', async () => {
    const proof = () => prover.proof('GET', harmless().path, bound.token);
    const send = (authorization: string, ...proofs: string[]) =>
      raw({ ...harmless(), headers: [['Authorization', authorization], ...proofs.map((one): [string, string] => ['DPoP', one])] });
    assertRefusedHeader(await send(`Bearer ${bound.token}`), /is bound to a key/, 'invalid_token');
    assertRefusedHeader(await send(`Bearer ${bound.token}`, await proof()), /is bound to a key/, 'invalid_token');
    assertRefusedHeader(await send(`DPoP ${bound.token}`), /send a proof/, 'invalid_dpop_proof');
    assertRefusedHeader(await send(`DPoP ${bearer.token}`), /is bound to no key/, 'invalid_token');
    const ofBearer = await prover.proof('GET', harmless().path, bearer.token);
    assertRefusedHeader(await send(`DPoP ${bearer.token}`, ofBearer), /is bound to no key/, 'invalid_token');
    const ofStranger = await (await Prover.make()).proof('GET', harmless().path, bound.token);
    assertRefusedHeader(await send(`DPoP ${bound.token}`, ofStranger), /another key than that/, 'invalid_token');
    assertRefusedHeader(await send(`DPoP ${bound.token}`, await proof(), await proof()), /parts/, 'invalid_dpop_proof');
    expect((await send(`dpop ${bound.token}`, await proof())).status).toBe(200);
  });
});

describe('a proof', () => {
  let pen: Pen;
  const asked = (method: string, path: string, token?: string): Asked => ({
    header: { alg: 'ES256', typ: 'dpop+jwt', jwk: pen.jwk },
    claims: { htm: method, htu: HERE + path, iat: now(), jti: slugid(), ...(token === undefined ? {} : { ath: hashOf(token) }) },
    pen,
    token: bound.token,
    called: root.url,
    pens,
  });
  const FIELDS = { grant_type: GRANT, audience: HERE };
  const places: [string, (make: ProofRow[1]) => Promise<Sent>][] = [
    ...[harmless, mighty].map((of): [string, (make: ProofRow[1]) => Promise<Sent>] => [
      of.name,
      async (make) => {
        const request = of();
        const proof = await make(asked(request.method, request.path, bound.token));
        const headers: [string, string][] = [
          ['Authorization', `DPoP ${bound.token}`],
          ['DPoP', proof],
        ];
        return raw({ ...request, headers: [...(request.headers ?? []), ...headers] });
      },
    ]),
    [
      'subject_token',
      async (make) => {
        const request = form('/oauth/token', { ...FIELDS, subject_token: bound.token, subject_token_type: TYPE('jwt') });
        return raw({ ...request, headers: [FORM, ['DPoP', await make(asked('POST', '/oauth/token'))]] });
      },
    ],
    [
      'a new token',
      async (make) => {
        const request = form('/oauth/token', FIELDS);
        const text = { contentType: FORM[1], text: request.body ?? '' };
        const authorization = run.api.authorizationFor('POST', '/oauth/token', undefined, text) as string;
        const proof: [string, string] = ['DPoP', await make(asked('POST', '/oauth/token'))];
        return raw({ ...request, headers: [FORM, ['Authorization', authorization], proof] });
      },
    ],
  ];

  beforeAll(async () => {
    pen = await strangersPen('ES256');
    const dpop = forged(asked('POST', '/oauth/token').header, asked('POST', '/oauth/token').claims, pen);
    const token = await tokenOf(run.api, { audience: HERE, scope: SCOPE }, { headers: { dpop } });
    bound = { token, header: decodeProtectedHeader(token) as Base['header'], claims: claimsOf(token) };
  });

  it('that nobody touched is taken everywhere, once', async () => {
    for (const [name, send] of places) {
      let proof = '';
      const good = (one: Asked) => (proof = forged(one.header, one.claims, one.pen));
      expect([name, (await send(good)).status]).toEqual([name, 200]);
      const again = name === 'mighty' ? undefined : await send(() => proof); // the name of a client is another each time
      if (again)
        expect([name, again.status, again.body.message]).toEqual([
          name,
          again.body.error ? 400 : 401,
          expect.stringMatching(/used before/),
        ]);
    }
  });

  it.each(named(HOSTILE_PROOFS))('is refused everywhere: %s', async (_, [, make, says, of]) => {
    const before = await effects();
    for (const [name, send] of places.filter(([one]) => of === undefined || one === 'harmless' || one === 'mighty')) {
      let proof = '';
      const answer = await send(async (one) => (proof = await make(one)));
      if (name === 'harmless' || name === 'mighty') assertRefusedHeader(answer, says, 'invalid_dpop_proof');
      else
        expect([name, answer.status, answer.body.error, answer.body.message]).toEqual([
          name,
          400,
          'invalid_dpop_proof',
          expect.stringMatching(says),
        ]);
      assertTellsNothing(answer, proof === bound.token ? '' : proof);
    }
    expect(await effects()).toEqual(before);
  });
});

describe('a key', () => {
  const kids = async (): Promise<string[]> => (await ok(root.as().get(JWKS))).keys.map(({ kid }: { kid: string }) => kid);
  const refusedOf = (forger: Pen) =>
    assertRefusedEverywhere(['', (one) => forged({ ...one.header, kid: forger.kid }, one.claims, forger), /^The key that the token names/]);

  it('that is about to sign, and one that has signed, is believed; one that is forgotten or leaked no more', async () => {
    const former = pens.es;
    const old = await good(run);
    const { kid: next } = await ok(root.post('/auth/v1/keys/ES256/rotate'));
    await later(database.pool, PUBLISH_LEAD + 1);
    await eventually('the next one signs', async () => (await good(run)).header.kid === next);
    [bearer, bound] = [await good(run), await good(run, prover)];
    expect(await isActive(old.token)).toBe(true);
    await jwtVerify(old.token, createLocalJWKSet(await ok(root.as().get(JWKS))));

    await database.pool.query('delete from signing_key where kid = $1', [former.kid]); // as it is, once its last token has ended
    await eventually('it is published no more', async () => !(await kids()).includes(former.kid));
    expect(await isActive(old.token)).toBe(false);
    await refusedOf(former);
    await assertGood(bearer, undefined, run.api);

    const leaked = (await pensOf(database.pool, masterKey())).find(({ kid }) => kid === next) as Pen;
    await ok(root.post(`/auth/v1/keys/${next}/compromise`));
    const stolen = [bearer, bound];
    [bearer, bound] = [await good(run), await good(run, prover)];
    await refusedOf(leaked);
    for (const [index, { token }] of stolen.entries()) {
      const answer = await PLACES['an operation'](token, index === 1 ? prover : undefined);
      assertRefusedHeader(answer, /^The key that the token names/, 'invalid_token');
      expect(await isActive(token)).toBe(false);
    }
    await assertGood(bound, prover, run.api);
  });
});

it('nothing of all that is in the log or the audit log, and nothing went wrong', async () => {
  const { rows } = await database.pool.query('select coalesce(string_agg(audit_entry::text, $1), $1) as text from audit_entry', ['\n']);
  expect(service.output.length).toBeGreaterThan(100_000);
  expect(secrets.size).toBeGreaterThan(300);
  for (const text of [service.output, rows[0].text]) expect([...secrets].filter((secret) => text.includes(secret))).toEqual([]);
  const wrong = /"level":"(warn|error|fatal)"|"status":5\d\d/;
  const compromised = expect.stringMatching(/"level":"warn".*a signing key was called compromised/);
  expect(service.output.split('\n').filter((line) => wrong.test(line))).toEqual([compromised]);
});

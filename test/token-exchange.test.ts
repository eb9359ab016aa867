import fc from 'fast-check';
import { decodeProtectedHeader, SignJWT } from 'jose';
import { createLeaseholdClient } from '../src/client/client.js';
import { generateSigningKey } from '../src/credentials/signing-key.js';
import { joinScopes } from '../src/credentials/task-token.js';
import { satisfies } from '../src/scopes/scope.js';
import { Keyring } from '../src/service/auth/keys/keyring.js';
import { sealedKey } from '../src/service/auth/keys/sealed-key.js';
import { compromiseSigningKey } from '../src/service/auth/keys/sql/compromise-signing-key.js';
import { insertSigningKey } from '../src/service/auth/keys/sql/insert-signing-key.js';
import { Registry } from '../src/service/auth/registry.js';
import { ForgetTokensService } from '../src/service/auth/tokens/forget-tokens.service.js';
import { IssueTokenService } from '../src/service/auth/tokens/issue-token.service.js';
import { deriveKeys, Keys } from '../src/service/keys.js';
import { Sql } from '../src/service/postgres/sql.js';
import { World } from './operations/world.js';
import { type Answer, type Api, type Credentials, definition, type RequestOptions, slugid } from './support/api.js';
import { claimsOf, exchange, GRANT, HERE, Prover, postForm, TYPE, tokenForUs, tokenOf } from './support/task-tokens.js';
import { ok, untilDone } from './support/tasks.js';
import { MASTER_KEY, startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let world: World;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, rootUrl: HERE, issuerUrl: HERE });
  world = new World(test);
});
afterAll(() => test.close());

interface Run {
  taskId: string;
  takenUntil: string;
  credentials: Credentials;
  /** Calls with its credentials. */
  api: Api;
}

async function claimed(scopes: string[] = [], overrides: Record<string, unknown> = {}): Promise<Run> {
  const { params, credentials, takenUntil } = await world.run({ scopes, ...overrides });
  return { taskId: params.taskId, takenUntil, credentials, api: test.root.as(credentials) };
}

const tokensOf = async ({ taskId }: Run): Promise<number> =>
  (await test.database.pool.query('select count(*)::int from task_token where task_id = $1', [taskId])).rows[0].count;

const basic = ({ clientId, accessToken }: Credentials) =>
  `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${accessToken}`).toString('base64')}`;

/** As a replica does it whose clock is off by so many seconds. */
async function withClock<T>(seconds: number, work: () => Promise<T>): Promise<T> {
  const real = Date.now;
  Date.now = () => real() + seconds * 1000;
  try {
    return await work();
  } finally {
    Date.now = real;
  }
}

/** What somebody makes who has our key. */
function forged(claims: object, alg: 'ES256' | 'RS256' = 'ES256', typ = 'at+jwt'): Promise<string> {
  const { kid, key } = test.service.app.get(Keyring).signer(alg);
  return new SignJWT({ ...claims }).setProtectedHeader({ alg, kid, typ }).sign(key);
}

/** The refusal in the words of OAuth; fails unless nothing was given. */
function refusal({ status, body, headers }: Answer): string {
  expect(body.access_token).toBeUndefined();
  expect(body).toMatchObject({ error: expect.any(String), error_description: expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/) });
  expect({ code: body.code, message: body.message }).toEqual({ code: expect.any(String), message: expect.any(String) });
  expect(headers['cache-control']).toBe('no-store');
  return `${status} ${body.error}`;
}

describe('what is asked for', () => {
  let run: Run;
  beforeAll(async () => {
    run = await claimed(['a:*']);
  });

  it.each<[string, Record<string, string | undefined>, string, RegExp]>([
    ['no grant type', { grant_type: undefined }, '400 invalid_request', /grant_type/],
    ['an empty one', { grant_type: '' }, '400 invalid_request', /grant_type/],
    ['another one', { grant_type: 'authorization_code' }, '400 unsupported_grant_type', /token-exchange/],
    ['one in capitals', { grant_type: GRANT.toUpperCase() }, '400 unsupported_grant_type', /token-exchange/],
    ['no audience', { audience: undefined }, '400 invalid_request', /audience/],
    ['an empty one', { audience: '' }, '400 invalid_request', /audience/],
    ['two in one', { audience: 'a b' }, '400 invalid_request', /audience/],
    ['one with a line feed', { audience: 'a\nb' }, '400 invalid_request', /audience/],
    ['one in other letters', { audience: 'https://bücher.example' }, '400 invalid_request', /audience/],
    ['an endless one', { audience: 'x'.repeat(513) }, '400 invalid_request', /audience/],
    ['a resource', { resource: 'https://api.example.com' }, '400 invalid_target', /audience/],
    ['an actor', { actor_token: 'x', actor_token_type: TYPE('jwt') }, '400 invalid_request', /actor_token/],
    ['the type of an actor', { actor_token_type: TYPE('jwt') }, '400 invalid_request', /actor_token/],
    ['a refresh token', { requested_token_type: TYPE('refresh_token') }, '400 invalid_request', /requested_token_type/],
    ['SAML', { requested_token_type: TYPE('saml2') }, '400 invalid_request', /requested_token_type/],
    ['a type by its short name', { requested_token_type: 'access_token' }, '400 invalid_request', /requested_token_type/],
    ['the type of a subject that is not there', { subject_token_type: TYPE('jwt') }, '400 invalid_request', /subject_token/],
    ['two credentials', { subject_token: 'x', subject_token_type: TYPE('jwt') }, '400 invalid_request', /two credentials/],
    ['a scope beyond', { scope: 'b:c' }, '400 invalid_scope', /does not hold these scopes: b:c/],
    ['one of several beyond', { scope: 'a:b a:c b' }, '400 invalid_scope', /does not hold these scopes: b$/m],
    ['a prefix of what it holds', { scope: 'a' }, '400 invalid_scope', /: a$/m],
    ['a wider pattern', { scope: 'a*' }, '400 invalid_scope', /: a\*$/m],
    ['everything', { scope: '*' }, '400 invalid_scope', /: \*$/m],
    ['scopes of an identity', { scope: 'a:b', requested_token_type: TYPE('jwt') }, '400 invalid_scope', /identity/],
    ['two spaces between scopes', { scope: 'a:b  a:c' }, '400 invalid_scope', /one space each/],
    ['a space before scopes', { scope: ' a:b' }, '400 invalid_scope', /one space each/],
    ['a tab between scopes', { scope: 'a:b\ta:c' }, '400 invalid_scope', /one space each/],
    ['a space of another kind', { scope: 'a:b\u00a0b' }, '400 invalid_scope', /one space each/],
    ['a quote in a scope', { scope: 'a:"b"' }, '400 invalid_scope', /one space each/],
    ['a backslash in a scope', { scope: 'a:\\b' }, '400 invalid_scope', /one space each/],
    ['scopes beyond counting', { scope: 'a:b '.repeat(3_000) }, '400 invalid_request', /scope/],
    [
      'a token that no header holds',
      { scope: Array.from({ length: 800 }, (_, n) => `a:x${n}yz`).join(' ') },
      '400 invalid_scope',
      /fewer scopes/,
    ],
  ])('is refused: %s', async (_, fields, expected, says) => {
    const before = await tokensOf(run);
    const answer = await exchange(run.api, fields);
    expect(refusal(answer)).toBe(expected);
    expect(answer.body.message.split('\n\n---')[0]).toMatch(says);
    expect(await tokensOf(run)).toBe(before);
  });

  const raw = (api: Api, body: string, headers: Record<string, string> = {}, path = '/oauth/token') =>
    api.request('post', path, { body, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers } });
  const FORM = new URLSearchParams({ grant_type: GRANT, audience: 'x' }).toString();

  it.each(['grant_type', 'audience', 'scope', 'requested_token_type', 'subject_token', 'anything'])(
    'a parameter twice: %s',
    async (name) => {
      for (const twice of [
        `${name}=x&${name}=x`,
        `${name}=x&${encodeURIComponent(name).replace('_', '%5F').replace(/^a/, '%61')}=y`,
        `${name}=&${name}=`,
      ])
        expect(refusal(await raw(run.api, twice))).toBe('400 invalid_request');
    },
  );

  it('in no form, or a broken one', async () => {
    for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencodedx'])
      expect(refusal(await raw(run.api, type.endsWith('json') ? '{}' : FORM, { 'content-type': type }))).toBe('400 invalid_request');
    for (const body of ['', 'grant_type=%', 'grant_type=%ff', '&&&', '=x'])
      expect(refusal(await raw(run.api, body))).toBe('400 invalid_request');
    expect(refusal(await raw(run.api, FORM, {}, '/oauth/token?audience=x'))).toBe('400 invalid_request');
    expect(refusal(await raw(run.api, `a=${'x'.repeat(70_000)}`))).toBe('413 invalid_request');
    expect((await raw(run.api, FORM, { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' })).status).toBe(200);
  });

  describe('signed', () => {
    const CONTENT_TYPE = 'application/x-www-form-urlencoded';
    const header = (path: string, text?: string) =>
      run.api.authorizationFor('post', path, undefined, text === undefined ? undefined : { contentType: CONTENT_TYPE, text });

    it('as another form, or without any: refused everywhere, and what is signed is served', async () => {
      const token = await tokenOf(run.api);
      const asked = `token=${token}`;
      for (const [path, form, other] of [
        ['/oauth/token', FORM, `${FORM}y`],
        ['/oauth/introspect', asked, `${asked}&token_type_hint=x`],
        ['/oauth/revoke', 'token=x', asked],
      ] as const) {
        const answer = (authorization: string | undefined, body: string) => raw(run.api, body, { authorization: authorization! }, path);
        expect([path, refusal(await answer(header(path, form), other))]).toEqual([path, '401 invalid_client']);
        const unsigned = await answer(header(path), form);
        expect([refusal(unsigned), unsigned.body.message]).toEqual(['401 invalid_client', expect.stringMatching(/send its payload hash/)]);
        expect([path, (await answer(header(path, form), form)).status]).toEqual([path, 200]);
      }
      expect((await postForm(run.api, '/oauth/introspect', { token })).body.active).toBe(true);
    });

    it('by the typed client, as it must be', async () => {
      const token = await tokenOf(run.api);
      const client = createLeaseholdClient({ rootUrl: test.root.url, credentials: () => run.credentials });
      const { data } = await client.POST('/oauth/introspect', {
        body: { token },
        headers: { 'content-type': CONTENT_TYPE },
        bodySerializer: (body) => new URLSearchParams({ ...body }).toString(), // what it does by itself, but where a test runs
      });
      expect(data).toMatchObject({ active: true, task: run.taskId });
    });
  });

  it('what a form holds is not repeated by a refusal', async () => {
    const { body } = await exchange(test.root.as(), { subject_token: 'a-secret-of-somebody', subject_token_type: TYPE('jwt') });
    expect(JSON.stringify(body)).not.toContain('a-secret');
    expect(body.requestInfo.payload).toEqual({});
  });
});

describe('who asks', () => {
  it('is refused: nobody, a forger, a client, a worker, somebody else', async () => {
    const run = await claimed();
    expect(refusal(await exchange(test.root.as()))).toBe('401 invalid_client');
    expect(refusal(await exchange(test.root.as({ ...run.credentials, accessToken: 'x'.repeat(44) })))).toBe('401 invalid_client');
    expect(refusal(await exchange(test.root))).toBe('400 unauthorized_client');
    expect(refusal(await exchange(await test.client(`assume:task-run:${run.taskId}/0`)))).toBe('400 unauthorized_client');
    for (const authorization of ['Basic cm9vdDpyb290', 'Bearer x', 'DPoP x', 'Negotiate x', 'Hawk'])
      expect(refusal(await exchange(run.api, {}, { authorization }))).toBe('401 invalid_client');
    expect(await tokensOf(run)).toBe(0);
  });

  const ends: [string, (run: Run) => Promise<unknown>][] = [
    ['completed', ({ api, taskId }) => ok(api.post(`/queue/v1/task/${taskId}/runs/0/completed`))],
    ['cancelled', ({ taskId }) => ok(world.tasks.steer('cancel', taskId))],
    ['with an exception, which may still leave artifacts', ({ taskId }) => ok(world.tasks.report('malformed-payload', taskId))],
    ['lapsed, seen by no sweep', ({ taskId }) => world.tasks.lapse(taskId)],
    [
      'followed by another run',
      async ({ taskId }) => {
        await ok(world.tasks.report('worker-shutdown', taskId));
        await ok(world.tasks.claimTask(taskId, 1));
      },
    ],
  ];
  it.each(ends)('is refused at once when its run has ended: %s', async (_, end) => {
    const run = await claimed(['a:*']);
    const token = await tokenForUs(run.api, 'a:b');
    await end(run);
    const before = await tokensOf(run);
    expect(refusal(await exchange(run.api))).toMatch(/^40[01] /);
    expect(refusal(await exchange(test.root.as(), { subject_token: token, subject_token_type: TYPE('jwt') }))).toBe('400 invalid_request');
    expect(await tokensOf(run)).toBe(before);
  });

  it('restricts itself: what holds a part of the run needs the scope of the audience', async () => {
    const audience = 'https://sts.example.com';
    const run = await claimed(['a:*', `auth:exchange-token:${audience}`]);
    const as = (authorizedScopes: string[], fields: Record<string, string> = {}) =>
      exchange(run.api, { audience, ...fields }, { authorizedScopes });
    expect(refusal(await as(['a:b']))).toBe('400 invalid_target');
    expect(refusal(await as(['a:b'], { requested_token_type: TYPE('id_token') }))).toBe('400 invalid_target');
    expect(refusal(await as(['a:b', `auth:exchange-token:${audience}`], { audience: `${audience}/x` }))).toBe('400 invalid_target');
    expect(refusal(await as(['a:b', `auth:exchange-token:${audience}`], { scope: 'a:c' }))).toBe('400 invalid_scope');
    expect((await as(['a:b', `auth:exchange-token:${audience}`], { scope: 'a:b' })).body.scope).toBe('a:b');
    expect((await as([`assume:task-run:${run.taskId}/0`])).status).toBe(200);
  });
});

describe('what a token holds', () => {
  it('no scopes unless they were asked for', async () => {
    const run = await claimed(['a:*', 'b']);
    const { body } = await exchange(run.api);
    expect(body.scope).toBeUndefined();
    expect(claimsOf(body.access_token).scope).toBeUndefined();
    expect((await exchange(run.api, { scope: 'b a:b b' })).body.scope).toBe('b a:b');
  });

  it('the run, its place and its fence, and nobody else for an audience', async () => {
    const run = await claimed(['a:*']);
    const { rows } = await test.database.pool.query('select * from task where task_id = $1', [run.taskId]);
    const token = await tokenOf(run.api, { scope: 'a:*', audience: '//iam.example.com/pools/p' });
    const claims = claimsOf(token);
    expect(claims).toEqual({
      iss: HERE,
      sub: `task-run:${run.taskId}/0`,
      aud: '//iam.example.com/pools/p',
      client_id: run.credentials.clientId,
      iat: expect.any(Number),
      nbf: claims.iat,
      exp: expect.any(Number),
      jti: expect.stringMatching(/^[\w-]{22}$/),
      scope: 'a:*',
      task: run.taskId,
      run: 0,
      task_queue: rows[0].task_queue_id,
      worker: 'group/worker',
      group: rows[0].task_group_id,
      project: 'project',
      fence: 1,
      status: { status_list: { idx: expect.any(Number), uri: `${HERE}/oauth/status-lists/0` } },
    });
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', kid: expect.any(String), typ: 'at+jwt' });
  });

  it('as an identity no scope, no client, and RSA', async () => {
    const run = await claimed(['a:*']);
    for (const requested_token_type of [TYPE('jwt'), TYPE('id_token')]) {
      const { body } = await exchange(run.api, { requested_token_type });
      expect(body).toMatchObject({ issued_token_type: requested_token_type, token_type: 'N_A' });
      expect(decodeProtectedHeader(body.access_token)).toEqual({ alg: 'RS256', kid: expect.any(String), typ: 'JWT' });
      const claims = claimsOf(body.access_token);
      expect(claims).toMatchObject({ sub: `task-run:${run.taskId}/0`, fence: 1 });
      expect([claims.scope, claims.client_id]).toEqual([undefined, undefined]);
    }
  });

  it('never what makes the run its worker, also where everything is held', async () => {
    const run = await claimed(['*']);
    for (const scope of ['assume:worker-id:group/worker', 'assume:worker-id:*', 'queue:worker-id:group/*'])
      expect(refusal(await exchange(run.api, { scope }))).toBe('400 invalid_scope');
    const token = await tokenForUs(run.api, '*');
    const claim = await test.root
      .as()
      .post(
        `/queue/v1/claim-work/${encodeURIComponent(world.queueId())}`,
        { workerGroup: 'group', workerId: 'worker', tasks: 1 },
        { authorization: `Bearer ${token}` },
      );
    expect(claim.status).toBe(403);
  });

  it('an end that neither the lease with its grace nor the configuration lets it pass, by the clock of the database', async () => {
    const run = await claimed();
    const { iat, exp } = claimsOf(await tokenOf(run.api));
    const { rows } = await test.database.pool.query(
      'select extract(epoch from now())::float8 as now, extract(epoch from taken_until)::float8 as until from task where task_id = $1',
      [run.taskId],
    );
    expect(rows[0].now - iat).toBeLessThan(5);
    expect(exp).toBe(Math.floor(rows[0].until + 900));
    await world.tasks.alter(run.taskId, `taken_until = now() + interval '1 day'`);
    expect((await exchange(run.api)).body.expires_in).toBe(3_600);
    await world.tasks.alter(run.taskId, `taken_until = now() + interval '20 seconds'`);
    const { body } = await exchange(run.api);
    expect(body.expires_in).toBeGreaterThanOrEqual(918);
    expect(body.expires_in).toBeLessThanOrEqual(920);
  });

  it('an end as it is configured: with no grace, that of the lease', async () => {
    const other = await test.replica({ rootUrl: HERE, issuerUrl: HERE, credentialsGrace: 0, tokenMaxLife: 60 });
    try {
      const run = await claimed();
      const api = other.root.as(run.credentials);
      expect((await exchange(api)).body.expires_in).toBe(60);
      await world.tasks.alter(run.taskId, `taken_until = now() + interval '20 seconds'`);
      const { rows } = await test.database.pool.query('select extract(epoch from taken_until) as until from task where task_id = $1', [
        run.taskId,
      ]);
      expect(claimsOf(await tokenOf(api)).exp).toBe(Math.floor(Number(rows[0].until)));
    } finally {
      await other.close();
    }
  });

  it('a thousand for a run, taken back or not, until ten minutes after their end', async () => {
    const run = await claimed();
    await test.database.pool.query(
      `insert into task_token (jti, task_id, run_id, kid, expires, revoked)
       select 'filled-' || n, $1, 0, 'k', now() + interval '1 hour', case when n % 2 = 0 then now() end from generate_series(1, 999) n`,
      [run.taskId],
    );
    const token = await tokenOf(run.api);
    await ok(postForm(run.api, '/oauth/revoke', { token }));
    const over = `update task_token set expires = now() - $1::interval where jti = $2`;
    await test.database.pool.query(over, ['9 minutes', 'filled-1']);
    const answer = await exchange(run.api);
    expect(refusal(answer)).toBe('400 invalid_grant');
    expect(answer.body.message).toMatch(/1000 tokens/);
    expect(refusal(await exchange(run.api, { requested_token_type: TYPE('id_token') }))).toBe('400 invalid_grant');
    for (const jti of ['filled-1', 'filled-2']) await test.database.pool.query(over, ['11 minutes', jti]);
    for (let n = 0; n < 2; n++) await tokenOf(run.api);
    expect(refusal(await exchange(run.api))).toBe('400 invalid_grant');
    expect(await tokensOf(run)).toBe(1_002);
  });

  it('nothing of a run that another worker holds', async () => {
    const run = await claimed();
    const holder = { taskId: run.taskId, runId: 0, workerGroup: 'group', workerId: 'worker' };
    const issue = (more: object) =>
      test.service.app.get(IssueTokenService).issue({ type: 'at+jwt', audience: 'x', scopes: [], losses: 0, run: { ...holder, ...more } });
    for (const more of [{ workerId: 'other' }, { workerGroup: 'other' }, { runId: 1 }])
      await expect(issue(more)).rejects.toMatchObject({ error: 'invalid_grant' });
    expect(await tokensOf(run)).toBe(0);
    await issue({});
  });

  it('no claims that nobody would believe: that is our mistake, and not that of who asks', async () => {
    const run = await claimed();
    await world.tasks.alter(run.taskId, `project_id = 'a b'`);
    expect(refusal(await exchange(run.api))).toBe('500 server_error');
    expect(await tokensOf(run)).toBe(0);
  });

  it('whatever is asked of whatever is held: only what is held, and as many scopes as there were', async () => {
    const part = fc.constantFrom('a', 'b', 'a:', 'a:b', 'a/', '*', 'x y', ' ', '');
    const scope = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
    const held = ['a:*', 'b', 'a/b'];
    const run = await claimed(held);
    const fixed = [`assume:task-run:${run.taskId}/0`, 'assume:anonymous'];
    await fc.assert(
      fc.asyncProperty(fc.array(scope, { maxLength: 4 }), async (asked) => {
        const { status, body } = await exchange(run.api, { scope: asked.join(' ') });
        if (status !== 200) return expect(body.error).toBe('invalid_scope');
        const granted = body.scope?.split(' ') ?? [];
        for (const one of granted) expect([one, [...held, ...fixed].some((other) => satisfies(other, one))]).toEqual([one, true]);
        expect(joinScopes(granted)).toBe(body.scope ?? '');
        expect(claimsOf(body.access_token).scope).toBe(body.scope);
      }),
      { numRuns: 60 },
    );
  });

  it('nothing that would not come back as it went in, whoever asks for it', async () => {
    const run = await claimed(['a']);
    const wish = { type: 'at+jwt', audience: 'x', losses: 0, scopes: ['notify:x queue:create-task:highest:prod/release'] } as const;
    const holder = { taskId: run.taskId, runId: 0, workerGroup: 'group', workerId: 'worker' };
    await expect(test.service.app.get(IssueTokenService).issue({ ...wish, run: holder })).rejects.toMatchObject({ error: 'invalid_scope' });
    expect(await tokensOf(run)).toBe(0);
  });
});

describe('a token made from a token', () => {
  const by = (token: string, fields: Record<string, string> = {}, headers: Record<string, string> = {}) =>
    exchange(test.root.as(), { subject_token: token, subject_token_type: TYPE('access_token'), audience: HERE, ...fields }, { headers });

  it('is refused for what is no token of ours for us', async () => {
    const run = await claimed(['a:*']);
    const ours = await tokenForUs(run.api, `assume:task-run:${run.taskId}/0`);
    const [header, payload, signature] = ours.split('.');
    const foreign = await tokenOf(run.api, { scope: 'a:b' });
    const identity = await tokenOf(run.api, { audience: HERE, requested_token_type: TYPE('jwt') });
    for (const token of [
      'x',
      'a.b.c',
      foreign,
      identity,
      `${header}.${payload}.`,
      `${header}.${payload}.${'A'.repeat(86)}`,
      `${payload}.${header}.${signature}`,
    ])
      expect(refusal(await by(token))).toBe('400 invalid_request');
    for (const subject_token_type of ['', TYPE('id_token'), TYPE('saml2'), 'jwt'])
      expect(refusal(await by(ours, { subject_token_type }))).toBe('400 invalid_request');
    expect((await by(ours, { subject_token_type: TYPE('jwt') })).status).toBe(200);
  });

  it('never gains scopes', async () => {
    const run = await claimed(['a:*', 'b', `auth:exchange-token:${HERE}`]);
    const narrow = await tokenForUs(run.api, `a:b auth:exchange-token:${HERE}`);
    for (const scope of ['a:c', 'a:*', 'b', `assume:task-run:${run.taskId}/0`, `queue:reclaim-task:${run.taskId}/0`])
      expect(refusal(await by(narrow, { scope }))).toBe('400 invalid_scope');
    expect((await by(narrow, { scope: 'a:b' })).body.scope).toBe('a:b');
    expect((await by(narrow)).body.scope).toBeUndefined();
  });

  it('never gains an audience', async () => {
    const run = await claimed(['a:*', 'auth:exchange-token:https://one.example']);
    const none = await tokenForUs(run.api);
    for (const audience of [HERE, 'https://one.example', 'https://two.example']) {
      expect(refusal(await by(none, { audience }))).toBe('400 invalid_target');
      expect(refusal(await by(none, { audience, requested_token_type: TYPE('id_token') }))).toBe('400 invalid_target');
    }
    const one = await tokenForUs(run.api, 'auth:exchange-token:https://one.example');
    expect(refusal(await by(one, { audience: 'https://two.example' }))).toBe('400 invalid_target');
    expect((await by(one, { audience: 'https://one.example', requested_token_type: TYPE('id_token') })).status).toBe(200);
    const all = await tokenForUs(run.api, `a:* assume:task-run:${run.taskId}/0`);
    expect((await by(all, { audience: 'https://two.example', scope: 'a:b' })).body.scope).toBe('a:b');
  });

  it('never gains life', async () => {
    const run = await claimed();
    const first = await tokenForUs(run.api, `assume:task-run:${run.taskId}/0`);
    await world.tasks.alter(run.taskId, `taken_until = now() + interval '1 day'`);
    const { body } = await by(first);
    expect(claimsOf(body.access_token).exp).toBe(claimsOf(first).exp);
  });

  it('ends with each of those that it was made from, and is the end of none of them', async () => {
    const run = await claimed();
    const scope = `assume:task-run:${run.taskId}/0`;
    const line = [await tokenForUs(run.api, scope)];
    for (let n = 0; n < 3; n++) line.push((await by(line.at(-1)!, { scope })).body.access_token);
    const alive = async () => {
      const answers = await Promise.all(line.map((token) => postForm(run.api, '/oauth/introspect', { token })));
      return answers.map(({ body }) => body.active);
    };
    expect(await alive()).toEqual([true, true, true, true]);
    await ok(postForm(run.api, '/oauth/revoke', { token: line[2] }));
    expect(await alive()).toEqual([true, true, false, false]);
    for (const token of line.slice(2)) expect(refusal(await by(token, { scope }))).toBe('400 invalid_request');
    await ok(postForm(run.api, '/oauth/revoke', { token: line[0] }));
    expect(await alive()).toEqual([false, false, false, false]);
  });

  it('ends with what it is made from, also when both happen at once', async () => {
    const run = await claimed();
    const scope = `assume:task-run:${run.taskId}/0`;
    for (let n = 0; n < 8; n++) {
      const first = await tokenForUs(run.api, scope);
      const [made] = await Promise.all([by(first, { scope }), ok(postForm(run.api, '/oauth/revoke', { token: first }))]);
      if (made.status !== 200) {
        expect(refusal(made)).toBe('400 invalid_request');
        continue;
      }
      expect((await postForm(run.api, '/oauth/introspect', { token: made.body.access_token })).body).toEqual({ active: false });
    }
  });

  it('and taking back the others of its family, all at once, wait for one another, and never in a circle', async () => {
    const { pool } = test.database;
    const deadlocks = async () =>
      Number((await pool.query('select deadlocks from pg_stat_database where datname = current_database()')).rows[0].deadlocks);
    const before = await deadlocks();
    const other = await test.replica({ rootUrl: HERE, issuerUrl: HERE });
    const run = await claimed();
    const scope = `assume:task-run:${run.taskId}/0`;
    const from = (token: string) =>
      exchange(other.root.as(), { subject_token: token, subject_token_type: TYPE('access_token'), audience: HERE, scope });
    const tokenFrom = async (token: string): Promise<string> => (await from(token)).body.access_token;
    const asRun = other.root.as(run.credentials);
    for (let n = 0; n < 12; n++) {
      const first = await tokenForUs(asRun, scope);
      const children = await Promise.all([first, first, first].map(tokenFrom));
      const family = [first, ...children, ...(await Promise.all(children.map(tokenFrom)))];
      const revoked = family.map((token) => postForm(asRun, '/oauth/revoke', { token }));
      const made = await Promise.all(family.slice(1).map(from));
      expect((await Promise.all(revoked)).map(({ status }) => status)).toEqual(family.map(() => 200));
      for (const answer of made) if (answer.status !== 200) expect(refusal(answer)).toBe('400 invalid_request');
    }
    expect((await pool.query('select from task_token where task_id = $1 and revoked is null', [run.taskId])).rowCount).toBe(0);
    await other.close(); // which tells what its connections have counted
    expect(await deadlocks()).toBe(before);
  });

  it('is not made for ever from one another', async () => {
    const run = await claimed();
    const scope = `assume:task-run:${run.taskId}/0`;
    let token = await tokenForUs(run.api, scope);
    for (let n = 0; n < 8; n++) token = (await by(token, { scope })).body.access_token;
    const answer = await by(token, { scope });
    expect([refusal(answer), answer.body.message]).toEqual(['400 invalid_request', expect.stringMatching(/at most 8 others/)]);
  });

  it('stays bound to its key', async () => {
    const run = await claimed();
    const [own, other] = [await Prover.make(), await Prover.make()];
    const scope = `assume:task-run:${run.taskId}/0`;
    const bound = await tokenForUs(run.api, scope, { headers: { dpop: await own.proof('POST', '/oauth/token') } });
    expect(claimsOf(bound).cnf).toEqual({ jkt: own.jkt });
    expect(refusal(await by(bound, { scope }))).toBe('400 invalid_dpop_proof');
    expect(refusal(await by(bound, { scope }, { dpop: await other.proof('POST', '/oauth/token') }))).toBe('400 invalid_dpop_proof');
    const { body } = await by(bound, { scope }, { dpop: await own.proof('POST', '/oauth/token') });
    expect([body.token_type, claimsOf(body.access_token).cnf]).toEqual(['DPoP', { jkt: own.jkt }]);
    const identity = await by(bound, { requested_token_type: TYPE('jwt') }, { dpop: await own.proof('POST', '/oauth/token') });
    expect(claimsOf(identity.body.access_token).cnf).toEqual({ jkt: own.jkt });
  });
});

describe('a part of the run', () => {
  let run: Run;
  let rich: string;
  beforeAll(async () => {
    run = await claimed(['a:*', `auth:exchange-token:${HERE}`, 'auth:introspect:https://api.example.com', 'auth:revoke-token']);
    rich = await tokenOf(run.api, { scope: 'a:*' });
  });
  const ask = (path: string, token: string, options: RequestOptions, api = test.root.as()) => postForm(api, path, { token }, options);
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  it('neither sees nor ends other tokens of it: a token that holds less, a proxy that restricts itself', async () => {
    const parts: [RequestOptions, Api][] = [
      [bearer(await tokenForUs(run.api)), test.root.as()],
      [bearer(await tokenForUs(run.api, `a:* auth:exchange-token:${HERE}`)), test.root.as()],
      [{ authorizedScopes: [] }, run.api],
      [{ authorizedScopes: ['a:*'] }, run.api],
    ];
    for (const [options, api] of parts) {
      expect((await ask('/oauth/introspect', rich, options, api)).body).toEqual({ active: false });
      expect(refusal(await ask('/oauth/revoke', rich, options, api))).toBe('400 unauthorized_client');
    }
    expect((await ask('/oauth/introspect', rich, {}, run.api)).body.active).toBe(true);
  });

  it('does with the scopes, or with the role of the run', async () => {
    const role = `assume:task-run:${run.taskId}/0`;
    for (const scope of [role, 'auth:introspect:https://api.example.com'])
      expect((await ask('/oauth/introspect', rich, bearer(await tokenForUs(run.api, scope)))).body.active).toBe(true);
    expect((await ask('/oauth/introspect', rich, { authorizedScopes: [role] }, run.api)).body.active).toBe(true);
    for (const scope of [role, 'auth:revoke-token']) {
      const token = await tokenOf(run.api);
      await ok(ask('/oauth/revoke', token, bearer(await tokenForUs(run.api, scope))));
      expect((await ask('/oauth/introspect', token, {}, run.api)).body).toEqual({ active: false });
    }
  });

  it('does with what it is and what was made from it, and not with what it was made from', async () => {
    const from = async (token: string) =>
      (
        await exchange(test.root.as(), {
          subject_token: token,
          subject_token_type: TYPE('access_token'),
          audience: HERE,
          scope: `auth:exchange-token:${HERE}`,
        })
      ).body.access_token as string;
    const first = await tokenForUs(run.api, `auth:exchange-token:${HERE}`);
    const second = await from(first);
    const third = await from(second);
    for (const [token, expected] of [
      [first, false],
      [second, true],
      [third, true],
    ] as const)
      expect((await ask('/oauth/introspect', token, bearer(second))).body.active).toBe(expected);
    expect(refusal(await ask('/oauth/revoke', first, bearer(second)))).toBe('400 unauthorized_client');
    await ok(ask('/oauth/revoke', third, bearer(second)));
    await ok(ask('/oauth/revoke', third, bearer(second))); // what is over is fine
    await ok(ask('/oauth/revoke', second, bearer(second)));
    for (const [token, expected] of [
      [first, true],
      [second, false],
      [third, false],
    ] as const)
      expect((await ask('/oauth/introspect', token, {}, run.api)).body.active).toBe(expected);
  });

  it('does not follow its task', async () => {
    const follow = async (query: string, options: RequestOptions, api = run.api) =>
      (await api.request('head', `/queue/v1/events?taskId=${run.taskId}${query}`, options)).status;
    const reduced = '&kind=task-scopes-reduced';
    expect([await follow('', {}), await follow(reduced, {})]).toEqual([200, 200]);
    expect([await follow('', { authorizedScopes: [] }), await follow(reduced, { authorizedScopes: [] })]).toEqual([403, 403]);
    const token = await tokenForUs((await claimed(['queue:status:*'])).api, 'queue:status:*');
    const reader = bearer(token);
    expect(await follow('', reader)).toBe(200); // any task's, by its scope
    const own = claimsOf(token).task as string;
    const kinds = await test.root.as().request('head', `/queue/v1/events?taskId=${own}${reduced}`, reader);
    expect(kinds.status).toBe(403);
  });

  it('and all of the run follows it, also when the run is over', async () => {
    const over = await claimed();
    await ok(world.tasks.report('malformed-payload', over.taskId));
    const path = `/queue/v1/events?taskId=${over.taskId}&kind=task-scopes-reduced`;
    expect((await over.api.request('head', path)).status).toBe(200);
  });
});

describe('our own API', () => {
  const get = (path: string, authorization: string, headers: Record<string, string> = {}) =>
    test.root.as().get(path, { authorization, headers });
  const CURRENT = '/auth/v1/scopes/current';
  const refused = async (answer: Promise<Answer>, says: RegExp | string) => {
    const { status, body, headers } = await answer;
    expect([status, body.code, body.message]).toEqual([401, 'AuthenticationFailed', expect.stringMatching(says)]);
    expect(headers['www-authenticate']).toMatch(/^hawk, Bearer.*, DPoP .*error="invalid_|^hawk, Bearer error="invalid_token", DPoP/);
  };

  it('takes a token for as much as it holds, whatever its scheme is written like', async () => {
    const run = await claimed(['auth:current-scopes', 'queue:get-task:*']);
    const token = await tokenForUs(run.api, 'auth:current-scopes');
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      expect((await ok(get(CURRENT, `${scheme} ${token}`))).scopes).toEqual(['assume:anonymous', 'auth:current-scopes']);
    expect((await get(`/queue/v1/task/${run.taskId}`, `Bearer ${token}`)).status).toBe(403);
    expect((await get(`/queue/v1/task/${run.taskId}`, `Bearer ${await tokenForUs(run.api, 'queue:get-task:*')}`)).status).toBe(200);
    expect((await get(CURRENT, `Bearer ${await tokenForUs(run.api)}`)).status).toBe(403);
  });

  it('refuses tokens for others, identities, and what is no token', async () => {
    const run = await claimed(['auth:current-scopes']);
    const scope = 'auth:current-scopes';
    const ours = await tokenForUs(run.api, scope);
    for (const audience of ['https://api.example.com', `${HERE}/`, `${HERE}/api`, HERE.toUpperCase(), `${HERE}.example`])
      await refused(get(CURRENT, `Bearer ${await tokenOf(run.api, { audience, scope })}`), /another audience/);
    await refused(
      get(CURRENT, `Bearer ${await tokenOf(run.api, { audience: HERE, requested_token_type: TYPE('id_token') })}`),
      /typ of the token/,
    );
    for (const authorization of [
      'Bearer',
      'Bearer ',
      'Bearer x',
      'DPoP',
      'DPoP x',
      `Bearer ${ours} x`,
      `Bearer ${ours}, Bearer ${ours}`,
      `Bearer ${ours.slice(0, -4)}AAAA`,
      `Bearer "${ours}"`,
      `Bearer ${'x'.repeat(9_000)}`,
    ])
      await refused(get(CURRENT, authorization), /./);
    expect((await get(`${CURRENT}?access_token=${ours}`, 'Hawk')).status).toBe(401);
    expect((await test.root.as().get(`${CURRENT}?access_token=${ours}`)).status).toBe(403);
    await refused(get(`${CURRENT}?bewit=x`, `Bearer ${ours}`), /two authentication schemes/);
    expect((await get(CURRENT, `Bearer ${ours}`)).status).toBe(200);
  });

  it('refuses one that was revoked, is forgotten, or whose time is over for the database', async () => {
    const run = await claimed(['auth:current-scopes']);
    const changes = ['revoked = now()', `expires = now() - interval '1 second'`];
    for (const change of changes) {
      const token = await tokenForUs(run.api, 'auth:current-scopes');
      await test.database.pool.query(`update task_token set ${change} where jti = $1`, [claimsOf(token).jti]);
      await refused(get(CURRENT, `Bearer ${token}`), /revoked, or has expired/);
    }
    const token = await tokenForUs(run.api, 'auth:current-scopes');
    await test.database.pool.query('delete from task_token where jti = $1', [claimsOf(token).jti]);
    await refused(get(CURRENT, `Bearer ${token}`), /revoked, or has expired/);
  });

  it.each([-90, -3_000, 1_300, 4_000])(
    'goes by the clock of the database, with one of its own that is off by %d s: nothing live is refused, what is taken back is gone',
    async (off) => {
      const run = await claimed(['auth:current-scopes']);
      const [token, given] = [
        await tokenForUs(run.api, 'auth:current-scopes'),
        await tokenForUs(run.api, `assume:task-run:${run.taskId}/0`),
      ];
      const asRoot = { authorization: basic(test.root.credentials!) };
      const form = (path: string) => postForm(test.root.as(), path, { token }, asRoot);
      const answers = await withClock(off, async () => [
        await get(CURRENT, `Bearer ${token}`),
        await exchange(test.root.as(), { subject_token: given, subject_token_type: TYPE('jwt') }),
        await form('/oauth/introspect'),
        await form('/oauth/revoke'),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(answers[2]?.body.active).toBe(true);
      expect((await form('/oauth/introspect')).body).toEqual({ active: false });
      await refused(get(CURRENT, `Bearer ${token}`), /revoked/);
    },
  );

  it('refuses one whose own times are over, or are to come, whatever its row says', async () => {
    const run = await claimed(['auth:current-scopes']);
    const claims = claimsOf(await tokenForUs(run.api, 'auth:current-scopes'));
    const now = claims.iat;
    expect((await get(CURRENT, `Bearer ${await forged({ ...claims, nbf: now + 30 })}`)).status).toBe(200);
    for (const times of [{ nbf: now + 120 }, { iat: now + 120 }, { iat: now - 20, nbf: now - 20, exp: now - 10 }])
      await refused(get(CURRENT, `Bearer ${await forged({ ...claims, ...times })}`), /expired, or is not valid yet/);
  });

  it('knows them by the run, which may have lost what they say: roles at once, everything at its end', async () => {
    const roleId = await world.roleId(['some:right', 'auth:current-scopes']);
    const run = await claimed([`assume:${roleId}`]);
    const token = await tokenForUs(run.api, 'some:right auth:current-scopes');
    expect((await ok(get(CURRENT, `Bearer ${token}`))).scopes).toContain('some:right');
    await world.roleId(['auth:current-scopes'], 'unrelated');
    await test.root.post(`/auth/v1/roles/${encodeURIComponent(roleId)}`, { scopes: ['auth:current-scopes'], description: '' });
    expect((await ok(get(CURRENT, `Bearer ${token}`))).scopes).toEqual(['assume:anonymous', 'auth:current-scopes']);
    expect((await postForm(run.api, '/oauth/introspect', { token })).body.scope).toBe('auth:current-scopes');
    await ok(world.tasks.report('completed', run.taskId));
    await refused(get(CURRENT, `Bearer ${token}`), /is completed; they ended with it/);
  });

  it('refuses one whose run somebody else holds', async () => {
    const run = await claimed(['auth:current-scopes']);
    const token = await tokenForUs(run.api, 'auth:current-scopes');
    for (const column of ['worker_group', 'worker_id']) {
      await world.tasks.alter(run.taskId, `${column} = 'other'`);
      await refused(get(CURRENT, `Bearer ${token}`), /does not exist any more/);
      expect((await postForm(test.root, '/oauth/introspect', { token })).body).toEqual({ active: false });
      await world.tasks.alter(run.taskId, `worker_group = 'group', worker_id = 'worker'`);
      expect((await get(CURRENT, `Bearer ${token}`)).status).toBe(200);
    }
  });

  it('goes by roles as they are, not by a copy of them that nobody has checked for long', async () => {
    const roleId = await world.roleId(['some:right', 'auth:current-scopes']);
    const run = await claimed([`assume:${roleId}`]);
    const token = await tokenForUs(run.api, 'some:right auth:current-scopes');
    const deaf = await test.replica({ rootUrl: HERE, issuerUrl: HERE });
    try {
      deaf.service.app.get(Registry).onModuleDestroy(); // it polls no more, and of what is written past the service nobody tells it
      const { pool } = test.database;
      await pool.query(`update role set scopes = '{auth:current-scopes}' where role_id = $1`, [roleId]);
      await pool.query('update auth_version set version = version + 1');
      const real = performance.now;
      performance.now = () => real.call(performance) + 6_000;
      try {
        const { body } = await deaf.root.as().get(CURRENT, { authorization: `Bearer ${token}` });
        expect(body.scopes).toEqual(['assume:anonymous', 'auth:current-scopes']);
      } finally {
        performance.now = real;
      }
    } finally {
      await deaf.close();
    }
  });

  it.each<[string, (run: Run) => Promise<unknown>]>([
    ['cancelled', ({ taskId }) => ok(world.tasks.steer('cancel', taskId))],
    ['lapsed', ({ taskId }) => world.tasks.lapse(taskId)],
    [
      'tried again by another',
      async ({ taskId }) => {
        await ok(world.tasks.report('worker-shutdown', taskId));
        await ok(world.tasks.claimTask(taskId, 1));
      },
    ],
  ])('refuses them from the moment that the run is %s', async (_, end) => {
    const run = await claimed(['auth:current-scopes']);
    const token = await tokenForUs(run.api, 'auth:current-scopes');
    await end(run);
    const { status } = await get(CURRENT, `Bearer ${token}`);
    expect(status === 401 || status === 403).toBe(true); // 403 after an exception: it may still leave artifacts
    expect((await postForm(test.root, '/oauth/introspect', { token })).body).toEqual({ active: false });
  });

  it('lets a token decide about its own run if it holds that, and tells it what became of the run', async () => {
    const run = await claimed();
    const completed = `/queue/v1/task/${run.taskId}/runs/0/completed`;
    const as = (token: string, path = completed) => test.root.as().post(path, undefined, { authorization: `Bearer ${token}` });
    const token = await tokenForUs(run.api, `queue:resolve-task:${run.taskId}/0`);
    expect((await as(await tokenForUs(run.api))).status).toBe(403);
    expect((await as(token, completed.replace(run.taskId, (await claimed()).taskId))).status).toBe(403);
    expect((await as(token)).status).toBe(200);
    expect((await as(token, completed.replace('completed', 'failed'))).status).toBe(409);
    await test.database.pool.query('update task_token set revoked = now() where jti = $1', [claimsOf(token).jti]);
    expect((await as(token)).status).toBe(401);
  });

  it('says with which scopes a token would do', async () => {
    const run = await claimed(['some:*']);
    const prover = await Prover.make();
    const bound = await tokenForUs(run.api, 'some:*', { headers: { dpop: await prover.proof('POST', '/oauth/token') } });
    const answers = [
      await get(CURRENT, `Bearer ${await tokenForUs(run.api)}`),
      await get(CURRENT, `DPoP ${bound}`, { dpop: await prover.proof('GET', `/api${CURRENT}`, bound) }),
      await get(`/queue/v1/events?taskGroupId=${run.taskId}`, `Bearer ${await tokenForUs(run.api)}`), // of several ways, one
      await run.api.get(CURRENT, { authorizedScopes: [] }), // not by a token
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    expect(answers.map(({ headers }) => headers['www-authenticate'])).toEqual([
      'Bearer error="insufficient_scope", scope="auth:current-scopes"',
      'DPoP error="insufficient_scope", scope="auth:current-scopes", algs="ES256 ES384 ES512 PS256 RS256 EdDSA Ed25519"',
      `Bearer error="insufficient_scope", scope="queue:list-task-group:${run.taskId}"`,
      undefined,
    ]);
  });

  it('gives nothing for being the run, only for what the token holds', async () => {
    const run = await claimed(['queue:status:*']);
    const follow = async (scope?: string) => {
      const authorization = `Bearer ${await tokenForUs(run.api, scope)}`;
      return (await test.root.as().request('head', `/queue/v1/events?taskId=${run.taskId}`, { authorization })).status;
    };
    expect((await run.api.request('head', `/queue/v1/events?taskId=${run.taskId}`)).status).toBe(200);
    expect([await follow(), await follow(`queue:status:${run.taskId}`)]).toEqual([403, 200]);
  });

  it('is not what authenticateHawk knows', async () => {
    const run = await claimed();
    const authorization = `Bearer ${await tokenForUs(run.api)}`;
    const request = { method: 'get', resource: '/', host: 'api.example.com', port: 443, authorization };
    const { body } = await test.root.as().post('/auth/v1/authenticate-hawk', request);
    expect(body).toEqual({ status: 'auth-failed', message: 'Unauthorized: Unauthorized' });
  });

  describe('with a token that is bound to a key', () => {
    const PATH = `/api${CURRENT}`;
    let prover: Prover;
    let run: Run;
    let token: string;
    beforeAll(async () => {
      prover = await Prover.make();
      run = await claimed(['auth:current-scopes']);
      const { status, body } = await exchange(
        run.api,
        { audience: HERE, scope: 'auth:current-scopes' },
        { headers: { dpop: await prover.proof('POST', '/oauth/token') } },
      );
      expect([status, body.token_type]).toEqual([200, 'DPoP']);
      token = body.access_token;
    });
    const send = async (proof: string | Promise<string>, path = CURRENT) => get(path, `DPoP ${token}`, { dpop: await proof });

    it('serves who proves to hold the key', async () => {
      expect((await send(prover.proof('GET', PATH, token))).status).toBe(200);
      expect((await send(prover.proof('GET', PATH, token), `${CURRENT}?x=1`)).status).toBe(400); // the query is none of the proof's business
    });

    it('refuses it as Bearer, without a proof, with another key, and one that is not bound as DPoP', async () => {
      await refused(get(CURRENT, `Bearer ${token}`), /bound to a key/);
      await refused(get(CURRENT, `Bearer ${token}`, { dpop: await prover.proof('GET', PATH, token) }), /bound to a key/);
      await refused(get(CURRENT, `DPoP ${token}`), /send a proof/);
      await refused(send((await Prover.make()).proof('GET', PATH, token)), /another key/);
      const bearer = await tokenForUs(run.api, 'auth:current-scopes');
      await refused(get(CURRENT, `DPoP ${bearer}`, { dpop: await prover.proof('GET', PATH, bearer) }), /bound to no key/);
    });

    it.each<[string, (now: number) => Promise<string>, RegExp]>([
      ['another method', () => prover.proof('POST', PATH, token), /htm/],
      ['another path', () => prover.proof('GET', `${PATH}x`, token), /htu/],
      ['another host, also the one that was called', () => prover.proof('GET', PATH, token, { htu: test.root.url + PATH }), /htu/],
      ['a query', () => prover.proof('GET', `${PATH}?x=1`, token), /htu/],
      ['another token', () => prover.proof('GET', PATH, 'other'), /ath/],
      ['no token', () => prover.proof('GET', PATH), /ath/],
      ['an hour ago', (now) => prover.proof('GET', PATH, token, { iat: now - 3_600 }), /older than/],
      ['in an hour', (now) => prover.proof('GET', PATH, token, { iat: now + 3_600 }), /future/],
      ['no id', () => prover.proof('GET', PATH, token, { jti: undefined }), /jti/],
      ['nothing at all', async () => 'x', /parts/],
      ['two of them', async () => `${await prover.proof('GET', PATH, token)}, ${await prover.proof('GET', PATH, token)}`, /parts/],
    ])('refuses a proof for %s', async (_, proof, says) => refused(send(await proof(Date.now() / 1000)), says));

    it('takes a proof once: not again, not at another replica, not of two at the same time', async () => {
      const once = await prover.proof('GET', PATH, token);
      expect((await send(once)).status).toBe(200);
      await refused(send(once), /used before/);
      const other = await test.replica({ rootUrl: HERE, issuerUrl: HERE });
      try {
        const elsewhere = { authorization: `DPoP ${token}`, headers: { dpop: once } };
        await refused(other.root.as().get(CURRENT, elsewhere), /used before/);
        const fresh = await prover.proof('GET', PATH, token);
        const both = { authorization: `DPoP ${token}`, headers: { dpop: fresh } };
        const answers = await Promise.all([test.root, other.root, test.root, other.root].map((api) => api.as().get(CURRENT, both)));
        expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
      } finally {
        await other.close();
      }
    });

    it('remembers a proof as long as anybody would take it', async () => {
      const now = Math.floor(Date.now() / 1000);
      const proof = await prover.proof('GET', PATH, token, { iat: now + 50 }); // of a clock that is ahead
      expect((await send(proof)).status).toBe(200);
      await test.database.pool.query(`update seen_proof set expires = expires - interval '100 seconds'`);
      await untilDone(() => test.service.app.get(ForgetTokensService).forgetProofs());
      await withClock(100, () => refused(send(proof), /used before/));
    });

    it('takes none twice for a token either', async () => {
      const dpop = await prover.proof('POST', '/oauth/token');
      expect((await exchange(run.api, {}, { headers: { dpop } })).status).toBe(200);
      const before = await tokensOf(run);
      expect(refusal(await exchange(run.api, {}, { headers: { dpop } }))).toBe('400 invalid_dpop_proof');
      expect(refusal(await exchange(run.api, {}, { headers: { dpop: await prover.proof('GET', '/oauth/token') } }))).toBe(
        '400 invalid_dpop_proof',
      );
      expect(refusal(await exchange(run.api, {}, { headers: { dpop: '' } }))).toBe('400 invalid_dpop_proof');
      expect(await tokensOf(run)).toBe(before);
    });

    it('spends no proof of who is refused anyway', async () => {
      const stolen = await prover.proof('GET', PATH, token);
      const other = await tokenForUs(run.api, 'auth:current-scopes', { headers: { dpop: await prover.proof('POST', '/oauth/token') } });
      await refused(get(CURRENT, `DPoP ${other}`, { dpop: stolen }), /ath/);
      expect((await send(stolen)).status).toBe(200);
    });
  });
});

describe('a key that leaked', () => {
  const post = (path: string, token: string) => test.root.as().post(path, undefined, { authorization: `Bearer ${token}` });

  it('makes no token of another run from the row of one', async () => {
    const [mine, victim] = [await claimed(), await claimed(['victim:*'])];
    const [own, theirs] = [claimsOf(await tokenForUs(mine.api)), claimsOf(await tokenForUs(victim.api))];
    const scope = `assume:task-run:${victim.taskId}/0 queue:reclaim-task:${victim.taskId}/0 queue:resolve-task:${victim.taskId}/0`;
    const { sub, task, run } = theirs;
    const token = await forged({ ...own, sub, task, run, scope });
    for (const path of ['reclaim', 'completed'])
      expect((await post(`/queue/v1/task/${victim.taskId}/runs/0/${path}`, token)).status).toBe(401);
    expect(refusal(await exchange(test.root.as(), { subject_token: token, subject_token_type: TYPE('jwt') }))).toBe('400 invalid_request');
    await ok(postForm(test.root, '/oauth/revoke', { token }));
    for (const { jti } of [own, theirs])
      expect((await test.database.pool.query('select revoked from task_token where jti = $1', [jti])).rows).toEqual([{ revoked: null }]);
    const current = (token: string) => test.root.as().get('/auth/v1/scopes/current', { authorization: `Bearer ${token}` });
    const rights = claimsOf(await tokenForUs((await claimed(['auth:current-scopes'])).api, 'auth:current-scopes'));
    expect((await current(await forged(rights))).status).toBe(200); // so it is not for another reason
    expect((await current(await forged(rights, 'RS256'))).status).toBe(401);
    await test.database.pool.query(`update task_token set kid = 'another' where jti = $1`, [rights.jti]);
    expect((await current(await forged(rights))).status).toBe(401);
  });

  it('is believed by nobody here from then on, and signs no more, though no replica has heard of it', async () => {
    const { app } = test.service;
    const run = await claimed();
    const token = await tokenOf(run.api);
    const { kid } = decodeProtectedHeader(token);
    expect(app.get(Keyring).signer().kid).toBe(kid);
    const spare = await generateSigningKey('ES256');
    await app.get(Sql).transaction(async (runner) => {
      await runner.query(compromiseSigningKey, [kid, 3_600]);
      await runner.query(insertSigningKey, [...sealedKey(app.get(Keys), spare), 0]);
    });
    expect((await postForm(test.root, '/oauth/introspect', { token })).body).toEqual({ active: false });
    const next = await tokenOf(run.api);
    expect(decodeProtectedHeader(next).kid).toBe(spare.publicJwk.kid);
    expect((await postForm(test.root, '/oauth/introspect', { token: next })).body.active).toBe(true);
    expect(await tokensOf(run)).toBe(2);
  });
});

describe('a resource server asks', () => {
  const AUDIENCE = 'https://api.example.com';

  it('by its client id and access token, if they are those of a client that may', async () => {
    const run = await claimed();
    const token = await tokenOf(run.api);
    const { credentials } = await test.client(`auth:introspect:${AUDIENCE}`);
    const ask = (authorization: string, path = '/oauth/introspect') => postForm(test.root.as(), path, { token }, { authorization });
    expect((await ask(basic(credentials!))).body).toMatchObject({ active: true, sub: `task-run:${run.taskId}/0` });
    expect((await ask(basic((await test.client('auth:introspect:x')).credentials!))).body).toEqual({ active: false });
    for (const wrong of [
      { ...credentials!, accessToken: 'x'.repeat(44) },
      { ...credentials!, accessToken: '' },
      { clientId: '', accessToken: '' },
      { clientId: 'static/leasehold/queue', accessToken: deriveKeys(MASTER_KEY).issuer },
      run.credentials,
    ])
      expect(refusal(await ask(basic(wrong)))).toBe('401 invalid_client');
    expect((await ask(basic(run.credentials))).headers['www-authenticate']).toMatch(
      /^hawk, Bearer, DPoP .*, Basic realm="OAuth", charset=/,
    );
    for (const header of ['Basic', 'Basic !', 'Basic eA==', `Basic ${Buffer.from('%ff:x').toString('base64')}`])
      expect(refusal(await ask(header))).toBe('401 invalid_client');
    expect(refusal(await ask(basic(credentials!), '/oauth/revoke'))).toBe('400 unauthorized_client');
    expect((await test.root.as().get('/auth/v1/scopes/current', { authorization: basic(test.root.credentials!) })).status).toBe(401);
    await test.root.post(`/auth/v1/clients/${encodeURIComponent(credentials!.clientId)}/disable`);
    expect(refusal(await ask(basic(credentials!)))).toBe('401 invalid_client');
  });

  it('by a client id as it is, or encoded as in a form, whatever is in it', async () => {
    const run = await claimed();
    const token = await tokenOf(run.api);
    const ask = (pair: string) =>
      postForm(test.root.as(), '/oauth/introspect', { token }, { authorization: `Basic ${Buffer.from(pair).toString('base64')}` });
    for (const clientId of ['test/plus+id', 'test/a:b', 'test/a:b:c', 'test/pipe|id', 'a@b/c!d']) {
      const body = { expires: new Date(Date.now() + 86_400_000).toISOString(), description: '', scopes: [`auth:introspect:${AUDIENCE}`] };
      const path = { clientId };
      const { data } = await test.admin.PUT('/api/auth/v1/clients/{clientId}', { params: { path }, body });
      for (const id of [clientId, encodeURIComponent(clientId)]) {
        expect([id, (await ask(`${id}:${data!.accessToken}`)).body.active]).toEqual([id, true]);
        for (const wrong of [`${id}:${data!.accessToken}x`, `${id}:`, id, `${id}:${data!.accessToken}:`, `:${data!.accessToken}`])
          expect([wrong, refusal(await ask(wrong))]).toEqual([wrong, '401 invalid_client']);
      }
    }
  });

  it('and is told nothing of an identity, nor of one for another', async () => {
    const run = await claimed();
    const api = await test.client(`auth:introspect:${AUDIENCE}`);
    const identity = await tokenOf(run.api, { requested_token_type: TYPE('id_token') });
    const foreign = await tokenOf(run.api, { audience: `${AUDIENCE}/x` });
    for (const token of [identity, foreign, 'x', `${'x'.repeat(40_000)}`])
      expect((await postForm(api, '/oauth/introspect', { token })).body).toEqual({ active: false });
    expect((await postForm(run.api, '/oauth/introspect', { token: identity })).body).toEqual({ active: false });
    await ok(postForm(run.api, '/oauth/revoke', { token: identity, token_type_hint: 'refresh_token' }));
  });
});

describe('what is over is forgotten', () => {
  it('proofs that nobody would take any more, and tokens ten minutes after their end', async () => {
    const { pool } = test.database;
    const run = await claimed();
    const [kept, gone] = [claimsOf(await tokenOf(run.api)).jti, claimsOf(await tokenOf(run.api)).jti];
    await pool.query(`update task_token set expires = now() - interval '9 minutes' where jti = $1`, [kept]);
    await pool.query(`update task_token set expires = now() - interval '11 minutes' where jti = $1`, [gone]);
    await pool.query('truncate seen_proof');
    await pool.query(`insert into seen_proof select int4send(n), now() + (n - 1500) * interval '1 second' from generate_series(1, 3000) n`);
    const forget = test.service.app.get(ForgetTokensService);
    await untilDone(() => forget.forgetTokens());
    await untilDone(() => forget.forgetProofs());
    expect((await pool.query('select jti from task_token where jti = any($1)', [[kept, gone]])).rows).toEqual([{ jti: kept }]);
    const { rows } = await pool.query('select count(*)::int from seen_proof');
    expect(rows[0].count).toBeGreaterThan(1_480);
    expect(rows[0].count).toBeLessThanOrEqual(1_500);
  });
});

it('what the creator of a task has lost is lost to the tokens of its run, once it reclaims', async () => {
  const creator = await test.client('queue:create-task:*', 'queue:scheduler-id:*', 'auth:current-scopes', 'some:*');
  const taskId = slugid();
  const task = { ...definition(), schedulerId: '-', scopes: ['auth:current-scopes', 'some:thing'] };
  await ok(creator.put(`/queue/v1/task/${taskId}`, task));
  const { credentials } = await ok(world.tasks.claimTask(taskId));
  const token = await tokenForUs(test.root.as(credentials), 'some:thing auth:current-scopes');
  const introspected = async () => (await postForm(test.root, '/oauth/introspect', { token })).body.scope;
  expect(await introspected()).toBe('auth:current-scopes some:thing');
  const clientId = encodeURIComponent(creator.credentials?.clientId ?? '');
  const client = { expires: new Date(Date.now() + 86_400_000).toISOString(), description: '', scopes: ['auth:current-scopes'] };
  await ok(test.root.post(`/auth/v1/clients/${clientId}`, client));
  await ok(world.tasks.reclaim(taskId));
  expect(await introspected()).toBe('auth:current-scopes');
  const bearer = { authorization: `Bearer ${token}` };
  const { body } = await test.root.as().get('/auth/v1/scopes/current', bearer);
  expect(body.scopes).not.toContain('some:thing');
});

import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { statusReference } from './status-list.js';
import type { TaskClaims } from './task-claims.js';
import { joinScopes, splitScopes, type TokenTerms, verifyTaskToken } from './task-token.js';
import type { TokenProblem } from './token-error.js';
import { LONGEST_SIGNED, signTaskToken } from './token-mint.js';

const ISSUER = 'https://tasks.example.com';
const NOW = 1_764_000_000;
const TASK = 'fN1SbArXTPSVFNUvaOlinQ';

const CLAIMS: TaskClaims = {
  iss: ISSUER,
  sub: `task-run:${TASK}/0`,
  aud: 'https://api.example.com',
  client_id: `task-client/${TASK}/0/on/group/worker/until/1764001200`,
  iat: NOW,
  nbf: NOW,
  exp: NOW + 600,
  jti: 'bF1SbArXTPSVFNUvaOlinQ',
  scope: 'a:b c:*',
  task: TASK,
  run: 0,
  task_queue: 'proj/linux',
  worker: 'group/worker',
  group: TASK,
  project: 'none',
  fence: 1,
  status: statusReference(ISSUER, 131_073),
};
const { client_id: _id, scope: _scope, ...IDENTITY } = CLAIMS;

type Pair = { privateKey: CryptoKey; publicKey: CryptoKey };
let es: Pair;
let rs: Pair;
let stranger: Pair;
beforeAll(async () => {
  const extractable = { extractable: true };
  [es, rs, stranger] = (await Promise.all([
    generateKeyPair('ES256', extractable),
    generateKeyPair('RS256', extractable),
    generateKeyPair('ES256'),
  ])) as [Pair, Pair, Pair];
});

const keyOf = async (kid: string) =>
  kid === 'es' ? { alg: 'ES256', key: es.publicKey } : kid === 'rs' ? { alg: 'RS256', key: rs.publicKey } : undefined;
const terms = (more: Partial<TokenTerms> = {}): TokenTerms => ({
  type: 'at+jwt',
  issuer: ISSUER,
  audiences: [CLAIMS.aud],
  keyOf,
  ...more,
});
const signer = () => ({ kid: 'es', alg: 'ES256', key: es.privateKey });
const rsSigner = () => ({ kid: 'rs', alg: 'RS256', key: rs.privateKey });
const sign = (claims: object, header: object = {}, key: CryptoKey = es.privateKey) =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'es', typ: 'at+jwt', ...header }).sign(key);
const part = (value: object | string) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const without = (claims: object, name: string) => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));

const problemOf = (token: string, more?: Partial<TokenTerms>): Promise<TokenProblem> =>
  verifyTaskToken(token, terms(more)).then(
    () => 'accepted' as never,
    (error) => error.problem,
  );

describe('a task token', () => {
  it('is believed as it was signed, by the algorithm of its type, with and without scopes, for anybody', async () => {
    expect(await verifyTaskToken(await signTaskToken(CLAIMS, 'at+jwt', signer()), terms())).toEqual({ claims: CLAIMS, kid: 'es' });
    expect(await problemOf(await signTaskToken(CLAIMS, 'at+jwt', rsSigner()))).toBe('algorithm');
    expect(await problemOf(await signTaskToken(IDENTITY as TaskClaims, 'JWT', signer()), { type: 'JWT' })).toBe('algorithm');
    const { scope: _, ...bare } = CLAIMS;
    expect(await verifyTaskToken(await signTaskToken(bare, 'at+jwt', signer()), terms({ audiences: ['x', CLAIMS.aud] }))).toEqual({
      claims: bare,
      kid: 'es',
    });
    const { audiences: __, ...anybody } = terms();
    expect((await verifyTaskToken(await sign(CLAIMS), anybody)).claims).toEqual(CLAIMS);
  });

  it('has a header of three members, and says where its status is', async () => {
    const token = await signTaskToken(CLAIMS, 'at+jwt', signer());
    expect(JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())).toEqual({ alg: 'ES256', kid: 'es', typ: 'at+jwt' });
    expect(CLAIMS.status).toEqual({ status_list: { idx: 1, uri: `${ISSUER}/oauth/status-lists/1` } });
  });

  it('that tells an identity is not one for access, nor the other way round', async () => {
    const identity = await signTaskToken(IDENTITY as TaskClaims, 'JWT', rsSigner());
    expect(await verifyTaskToken(identity, terms({ type: 'JWT' }))).toEqual({ claims: IDENTITY, kid: 'rs' });
    expect(await problemOf(identity)).toBe('type');
    expect(await problemOf(await sign(CLAIMS), { type: 'JWT' })).toBe('type');
    expect(await problemOf(await sign(CLAIMS, { alg: 'RS256', kid: 'rs', typ: 'JWT' }, rs.privateKey), { type: 'JWT' })).toBe('claims');
    await expect(signTaskToken(CLAIMS, 'JWT', signer())).rejects.toMatchObject({ problem: 'claims' });
  });

  it('is not signed if nobody would believe it, or no header hold it', async () => {
    await expect(signTaskToken({ ...CLAIMS, exp: NOW }, 'at+jwt', signer())).rejects.toMatchObject({ problem: 'claims' });
    await expect(signTaskToken({ ...CLAIMS, scope: 'a  b' }, 'at+jwt', signer())).rejects.toMatchObject({ problem: 'claims' });
    const scopes = (length: number) => Array.from({ length }, (_, n) => `scope:${n}`).join(' ');
    await expect(signTaskToken({ ...CLAIMS, scope: scopes(700) }, 'at+jwt', signer())).rejects.toMatchObject({ problem: 'too-long' });
    expect((await signTaskToken({ ...CLAIMS, scope: scopes(400) }, 'at+jwt', signer())).length).toBeLessThanOrEqual(LONGEST_SIGNED);
  });
});

describe('the corpus of confusions', () => {
  const unsigned = (header: object) => `${part({ kid: 'es', typ: 'at+jwt', ...header })}.${part(CLAIMS)}.`;
  const hmacd = (key: string | Buffer, header: object = {}) => {
    const text = `${part({ alg: 'HS256', kid: 'es', typ: 'at+jwt', ...header })}.${part(CLAIMS)}`;
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };

  it('no algorithm, in any spelling', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
      expect(await problemOf(unsigned({ alg }))).toBe('malformed');
      expect(await problemOf(`${unsigned({ alg })}${part('x')}`)).toBe('algorithm');
    }
  });

  it('a MAC made with a public key', async () => {
    const pem = await exportSPKI(rs.publicKey);
    for (const key of [pem, pem.trim(), JSON.stringify(await exportJWK(rs.publicKey)), Buffer.alloc(32)]) {
      expect(await problemOf(hmacd(key, { kid: 'rs' }))).toBe('algorithm');
      expect(await problemOf(hmacd(key, { kid: 'rs', alg: 'RS256', typ: 'JWT' }), { type: 'JWT' })).toBe('signature');
    }
  });

  it('an algorithm that is not that of the key', async () => {
    for (const alg of ['RS256', 'ES384', 'PS256', 'EdDSA', 'HS256', 'ES256K', 17, null, ['ES256']])
      expect(await problemOf(`${part({ alg, kid: 'es', typ: 'at+jwt' })}.${part(CLAIMS)}.${part('x'.repeat(64))}`)).toBe('algorithm');
  });

  it('a kid that names a file, a statement, an address, an object of the language, or nothing', async () => {
    for (const kid of [
      '/dev/null',
      '../../etc/passwd',
      "' or '1'='1",
      'https://evil.example/jwks',
      '__proto__',
      'constructor',
      '',
      ' es',
      'ES',
      1,
      null,
      ['es'],
    ])
      expect(await problemOf(await sign(CLAIMS, { kid: kid as string }))).toBe('unknown-key');
  });

  it('a key, or where to find one, in the header', async () => {
    const jwk = await exportJWK(stranger.publicKey);
    for (const more of [
      { jwk },
      { jku: 'https://evil.example/jwks' },
      { x5u: 'https://evil.example/cert' },
      { x5c: ['MIIB'] },
      { x5t: 'x' },
      { cty: 'JWT' },
      { zip: 'DEF' },
      { iss: ISSUER },
    ])
      expect(await problemOf(await sign(CLAIMS, more, stranger.privateKey))).toBe('header');
  });

  it('an extension that must be understood', async () => {
    const header = { alg: 'ES256', kid: 'es', typ: 'at+jwt' };
    for (const more of [{ crit: ['b64'], b64: false }, { crit: [] }, { crit: ['exp'], exp: 1 }, { b64: true }])
      expect(await problemOf(`${part({ ...header, ...more })}.${part(CLAIMS)}.${part('x'.repeat(64))}`)).toBe('header');
  });

  it('another type: of an identity, of a proof, of a status list, of logout, in other letters', async () => {
    for (const typ of ['JWT', 'dpop+jwt', 'statuslist+jwt', 'logout+jwt', 'AT+JWT', 'application/at+jwt', 'at+jwt ', 'at', ''])
      expect(await problemOf(await sign(CLAIMS, { typ }))).toBe('type');
    expect(await problemOf(await sign(CLAIMS, { typ: undefined }))).toBe('header');
  });

  it('one token in another, encrypted ones, and those in JSON', async () => {
    const token = await sign(CLAIMS);
    expect(await problemOf(`${part({ alg: 'ES256', kid: 'es', typ: 'at+jwt' })}.${part(token)}.${part('x')}`)).toBe('malformed');
    expect(await problemOf(`${part({ alg: 'dir', enc: 'A128GCM' })}..a.b.c`)).toBe('malformed');
    const [protectedHeader, payload, signature] = token.split('.');
    expect(await problemOf(JSON.stringify({ payload, protected: protectedHeader, signature }))).toBe('malformed');
  });

  it('a key twice', async () => {
    const twice = (object: object, more: string) => part(JSON.stringify(object).replace(/\}$/, `,${more}}`));
    const header = { alg: 'ES256', kid: 'es', typ: 'at+jwt' };
    expect(await problemOf(`${twice(header, '"kid":"rs"')}.${part(CLAIMS)}.${part('x')}`)).toBe('duplicate-key');
    expect(await problemOf(`${part(header)}.${twice(CLAIMS, '"scope":"*"')}.${part('x')}`)).toBe('duplicate-key');
    expect(await problemOf(`${part(header)}.${twice(CLAIMS, '"\\u0073cope":"*"')}.${part('x')}`)).toBe('duplicate-key');
  });

  it('a signature of another, of other bytes, of another form, or none', async () => {
    const token = await sign(CLAIMS);
    const [header, , signature] = token.split('.');
    expect(await problemOf(await sign(CLAIMS, {}, stranger.privateKey))).toBe('signature');
    expect(await problemOf(`${header}.${part({ ...CLAIMS, scope: '*' })}.${signature}`)).toBe('signature');
    expect(await problemOf(`${header}.${part(CLAIMS)}.${part(Buffer.alloc(64).toString('latin1'))}`)).toBe('signature');
    expect(await problemOf(`${header}.${part(CLAIMS)}.`)).toBe('malformed');
    expect(await problemOf(`${token}.`)).toBe('malformed');
    expect(await problemOf(`${token}=`)).toBe('malformed');
    expect(await problemOf(` ${token}`)).toBe('malformed');
  });

  it('one that is too long to be looked at', async () => {
    expect(await problemOf('a.'.repeat(9_000))).toBe('too-long');
    expect(await problemOf(await sign({ ...CLAIMS, scope: 'x'.repeat(16_384) }))).toBe('too-long');
  });

  it('times that are none, or contradict one another', async () => {
    for (const claims of [
      { exp: NOW * 1000 },
      { exp: String(NOW + 600) },
      { exp: NOW + 0.5 },
      { exp: -1 },
      { exp: 1e300 },
      { iat: 0 },
      { nbf: null },
      { nbf: true },
      { iat: [NOW] },
      { iat: NOW + 600 },
      { nbf: NOW + 600 },
      { exp: NOW + 400 * 86_400 },
    ])
      expect(await problemOf(await sign({ ...CLAIMS, ...claims }))).toBe('claims');
  });

  it('another issuer, or another audience, also one that only begins alike', async () => {
    for (const iss of [`${ISSUER}/`, `${ISSUER}.evil.example`, 'http://tasks.example.com', ISSUER.toUpperCase()])
      expect(await problemOf(await sign({ ...CLAIMS, iss }))).toBe('issuer');
    for (const aud of [`${CLAIMS.aud}/`, 'https://api.example.co', '*', 'x'])
      expect(await problemOf(await sign({ ...CLAIMS, aud }))).toBe('audience');
    for (const aud of [[CLAIMS.aud], [CLAIMS.aud, 'x'], '', null]) expect(await problemOf(await sign({ ...CLAIMS, aud }))).toBe('claims');
  });

  it('a claim that is missing', async () => {
    const optional = ['scope'];
    for (const name of Object.keys(CLAIMS).filter((one) => !optional.includes(one)))
      expect([name, await problemOf(await sign(without(CLAIMS, name)))]).toEqual([name, 'claims']);
  });

  it('a claim of another kind', async () => {
    const wrong = [
      ...[{ scope: ['a', 'b'] }, { scope: '' }, { scope: 'a  b' }, { scope: 'a ' }, { scope: 'a\tb' }, { scope: '"' }],
      ...[
        { sub: `task-run:${TASK}/1` },
        { sub: 'static/root' },
        { run: '0' },
        { run: 1001 },
        { run: -1 },
        { task: 'x' },
        { worker: 'a' },
        { worker: 'a/b/c' },
      ],
      ...[
        { cnf: {} },
        { cnf: { jkt: 'x' } },
        { cnf: { jkt: 'x'.repeat(43), jwk: {} } },
        { cnf: 'x' },
        { cnf: null },
        { fence: 1.5 },
        { jti: '' },
        { jti: 17 },
      ],
      ...[
        { status: {} },
        { status: { status_list: { idx: -1, uri: 'x' } } },
        { status: { status_list: { idx: 1 } } },
        { client_id: 'a b' },
      ],
    ];
    for (const claims of wrong) expect([claims, await problemOf(await sign({ ...CLAIMS, ...claims }))]).toEqual([claims, 'claims']);
  });

  it('any change of any character', async () => {
    const token = await sign(CLAIMS);
    const changed = fc.tuple(fc.nat(token.length - 1), fc.constantFrom(...'AZaz09-_.=+/ ')).filter(([at, to]) => token[at] !== to);
    await fc.assert(
      fc.asyncProperty(changed, async ([at, to]) => {
        await expect(verifyTaskToken(token.slice(0, at) + to + token.slice(at + 1), terms())).rejects.toMatchObject({
          problem: expect.any(String),
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe('scopes in a token', () => {
  it('come back as they went in, or are refused', () => {
    const scope = fc.string({ unit: fc.constantFrom(...'ab:*/ "\\\n\t\u00a0\u2003') });
    fc.assert(
      fc.property(fc.array(scope, { maxLength: 4 }), (scopes) => {
        let joined: string;
        try {
          joined = joinScopes(scopes);
        } catch (error) {
          expect((error as { problem: string }).problem).toBe('scope');
          expect(scopes.some((one) => one === '' || /[^ab:*/]/.test(one))).toBe(true);
          return;
        }
        expect(splitScopes(joined || undefined)).toEqual(scopes);
        for (const separator of [/ /, /\s+/]) if (scopes.length > 0) expect(joined.split(separator)).toEqual(scopes);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never two where there was one', () => {
    for (const scope of ['notify:x queue:create-task:highest:prod/release', ' a', 'a ', ' ', '', 'a\u00a0b', 'a\nb'])
      expect(() => joinScopes([scope])).toThrow(/cannot be told apart/);
  });
});

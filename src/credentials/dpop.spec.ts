import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { PROOF_ALGS, PROOF_SKEW, type ProofTerms, verifyProof } from './dpop.js';

const NOW = 1_764_000_000;
const URL_ = 'https://tasks.example.com/api/queue/v1/ping';
const TOKEN = 'header.payload.signature';
const ATH = createHash('sha256').update(TOKEN).digest('base64url');
const CLAIMS = { htm: 'GET', htu: URL_, iat: NOW, jti: 'one', ath: ATH };
const TERMS: ProofTerms = { method: 'GET', urls: ['https://other.example.com/x', URL_], token: TOKEN, now: NOW };

let privateKey: CryptoKey;
let jwk: JWK;
let secret: JWK;
beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true });
  privateKey = pair.privateKey;
  [jwk, secret] = [await exportJWK(pair.publicKey), await exportJWK(pair.privateKey)];
});

const proof = (claims: object = {}, header: object = {}, key: CryptoKey = privateKey) =>
  new SignJWT({ ...CLAIMS, ...claims }).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header }).sign(key);
const problemOf = (text: string, terms: Partial<ProofTerms> = {}): Promise<string> =>
  verifyProof(text, { ...TERMS, ...terms }).then(
    () => 'accepted',
    (error) => error.problem,
  );

describe('a proof', () => {
  it('is good for its request, and says whose it is', async () => {
    expect(await verifyProof(await proof(), TERMS)).toEqual({ jkt: await calculateJwkThumbprint(jwk), id: expect.any(Buffer) });
  });

  it.each(PROOF_ALGS)('may be signed by %s', async (alg) => {
    const pair = await generateKeyPair(alg, { extractable: true });
    const own = await exportJWK(pair.publicKey);
    const { jkt } = await verifyProof(await proof({}, { alg, jwk: { ...own, alg, use: 'sig', kid: 'x' } }, pair.privateKey), TERMS);
    expect(jkt).toBe(await calculateJwkThumbprint(own));
  });

  it('has an id of its own: by jti and by key', async () => {
    const other = await generateKeyPair('ES256', { extractable: true });
    const all = [
      proof(),
      proof({ jti: 'two' }),
      proof({}, { jwk: await exportJWK(other.publicKey) }, other.privateKey),
      proof({ iat: NOW + 1 }),
    ];
    const [one, two, three, again] = (await Promise.all((await Promise.all(all)).map((text) => verifyProof(text, TERMS)))).map(({ id }) =>
      id.toString('hex'),
    );
    expect(new Set([one, two, three]).size).toBe(3);
    expect(again).toBe(one); // the same jti again, however dated, is a replay
  });

  it('needs no hash of a token where there is none', async () => {
    const { token: _, ...bare } = TERMS;
    await verifyProof(await proof({ ath: undefined }), bare);
  });

  it.each([
    'https://TASKS.example.com/api/queue/v1/ping',
    'HTTPS://tasks.example.com:443/api/queue/v1/ping',
    'https://other.example.com/x',
  ])('may spell its address %s', async (htu) => expect(await problemOf(await proof({ htu }))).toBe('accepted'));

  it('may write octets in either case', async () => {
    expect(await problemOf(await proof({ htu: 'https://a.example/x%2fy' }), { urls: ['https://a.example/x%2Fy'] })).toBe('accepted');
  });
});

describe('is refused', () => {
  it.each([
    ['another method', { htm: 'POST' }, 'method'],
    ['a method in small letters', { htm: 'get' }, 'method'],
    ['no method', { htm: undefined }, 'method'],
    ['another path', { htu: `${URL_}/x` }, 'url'],
    ['a path that ends in a slash', { htu: `${URL_}/` }, 'url'],
    ['another host', { htu: URL_.replace('tasks', 'evil') }, 'url'],
    ['another scheme', { htu: URL_.replace('https', 'http') }, 'url'],
    ['another port', { htu: URL_.replace('.com', '.com:8443') }, 'url'],
    ['a query', { htu: `${URL_}?a=1` }, 'url'],
    ['a fragment', { htu: `${URL_}#a` }, 'url'],
    ['a user', { htu: URL_.replace('//', '//user@') }, 'url'],
    ['backslashes', { htu: URL_.replaceAll('/', '\\') }, 'url'],
    ['a line feed', { htu: `${URL_}\n` }, 'url'],
    ['no address', { htu: undefined }, 'url'],
    ['addresses', { htu: [URL_] }, 'url'],
    ['nothing but a path', { htu: '/api/queue/v1/ping' }, 'url'],
    ['too old', { iat: NOW - PROOF_SKEW - 1 }, 'expired'],
    ['of the future', { iat: NOW + PROOF_SKEW + 1 }, 'not-yet-valid'],
    ['undated', { iat: undefined }, 'claims'],
    ['dated in words', { iat: String(NOW) }, 'claims'],
    ['without id', { jti: undefined }, 'claims'],
    ['with an empty id', { jti: '' }, 'claims'],
    ['with an id that is a number', { jti: 17 }, 'claims'],
    ['with an endless id', { jti: 'x'.repeat(257) }, 'claims'],
    ['of another token', { ath: createHash('sha256').update('other').digest('base64url') }, 'token-hash'],
    ['of no token', { ath: undefined }, 'token-hash'],
    ['of the token itself', { ath: TOKEN }, 'token-hash'],
  ])('%s', async (_, claims, problem) => expect(await problemOf(await proof(claims))).toBe(problem));

  it('just at the edge it is good', async () => {
    for (const iat of [NOW - PROOF_SKEW, NOW + PROOF_SKEW]) expect(await problemOf(await proof({ iat }))).toBe('accepted');
  });

  it('a type that is none of a proof', async () => {
    for (const typ of ['JWT', 'at+jwt', 'DPOP+JWT', 'dpop']) expect(await problemOf(await proof({}, { typ }))).toBe('type');
  });

  it('a header with more or less in it', async () => {
    for (const more of [{ kid: 'x' }, { jku: 'https://evil.example' }, { x5c: ['x'] }, { x5u: 'https://evil.example' }, { jwk: undefined }])
      expect(await problemOf(await proof({}, more))).toBe('header');
  });

  it('a MAC, an unknown algorithm, none', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const alg of ['HS256', 'none', 'HS512', 'ES256K', 'dir', '', null, 17]) {
      const text = `${part({ alg, typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'AAAA' } })}.${part(CLAIMS)}`;
      expect(await problemOf(`${text}.${createHmac('sha256', Buffer.alloc(3)).update(text).digest('base64url')}`)).toBe('algorithm');
    }
  });

  it('a key that is secret, symmetric, too small, too large, of another algorithm, of no sense', async () => {
    const [small, large] = await Promise.all(
      [1024, 8192].map((bits) => ({ kty: 'RSA', e: 'AQAB', n: Buffer.alloc(bits / 8, 0xff).toString('base64url') })),
    );
    for (const bad of [
      secret,
      { kty: 'oct', k: 'AAAA' },
      { ...jwk, x5c: ['x'] },
      { ...jwk, y: undefined },
      { ...jwk, x: 17 },
      { kty: 'EC' },
      {},
      [],
      'x',
      small,
      large,
    ])
      expect(await problemOf(await proof({}, { jwk: bad as JWK }))).toBe('key');
    for (const bad of [
      { ...jwk, crv: 'P-521' },
      { ...jwk, x: 'AAAA' },
      { ...jwk, x: jwk.y, y: jwk.x },
    ])
      expect(await problemOf(await proof({}, { jwk: bad }))).toMatch(/key|signature/);
  });

  it('a signature of another key', async () => {
    const other = await generateKeyPair('ES256', { extractable: true });
    expect(await problemOf(await proof({}, { jwk: await exportJWK(other.publicKey) }))).toBe('signature');
    expect(await problemOf(await proof({}, {}, other.privateKey))).toBe('signature');
  });

  it('any change of any character, with an error that says what', async () => {
    const text = await proof();
    const changed = fc.tuple(fc.nat(text.length - 1), fc.constantFrom(...'AZaz09-_.=+/ ')).filter(([at, to]) => text[at] !== to);
    await fc.assert(
      fc.asyncProperty(changed, async ([at, to]) =>
        expect(await problemOf(text.slice(0, at) + to + text.slice(at + 1))).toMatch(/^(?!accepted)[a-z-]+$/),
      ),
      { numRuns: 300 },
    );
  });
});

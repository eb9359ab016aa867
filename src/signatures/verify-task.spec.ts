import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, compactVerify, importJWK, type JWK } from 'jose';
import type { VerifyingAlg } from './algorithms.js';
import { canonicalJson } from './canonical-json.js';
import { generateKey, type KeyTerms } from './generate-key.js';
import { type KeySet, readKeySet } from './key-set.js';
import { signTask } from './sign-task.js';
import { SignatureError } from './signature-error.js';
import { signerOf } from './signer.js';
import type { SigningContext } from './task-payload.js';
import { assertUnchanged, type Expectation, inspectTask, verifyTask } from './verify-task.js';

const NOW = 1_800_000_000;
const TYP = 'leasehold-task+jws';

const DEFINITION = {
  taskQueueId: 'builds/linux',
  schedulerId: '-',
  projectId: 'none',
  taskGroupId: 'fN1SbArXTPSVFNUvaOlinQ',
  dependencies: ['dSlITZ4yQgmvxxAi4A8fHQ'],
  requires: 'all-completed',
  routes: ['index.builds'],
  priority: 'low',
  retries: 2,
  created: '2027-01-15T08:00:00.000Z',
  deadline: '2027-01-16T08:00:00.000Z',
  expires: '2028-01-16T08:00:00.000Z',
  scopes: ['secrets:get:build'],
  payload: { command: ['make', 'FOO'], env: { FOO: 'bär' }, maxRunTime: 3600, ratio: 0.1, nothing: null, on: true },
  metadata: { name: 'build', owner: 'a@b.c', source: 'https://example.com/', description: '' },
};
type Fields = Record<string, unknown>;

const CONTEXT: SigningContext = {
  audience: 'https://tasks.example.com',
  taskId: 'fN1SbArXTPSVFNUvaOlinQ',
  taskQueueId: 'builds/linux',
  iat: NOW,
  exp: NOW + 3600,
  maxRuns: 3,
};
const { audience, taskId, taskQueueId } = CONTEXT;
const EXPECTED: Expectation = { audience, taskId, taskQueueId, runId: 0, now: NOW, skew: 60 };
const PAYLOAD = {
  _type: 'leasehold-task/v1',
  aud: audience,
  taskId,
  taskQueueId,
  iat: NOW,
  exp: NOW + 3600,
  maxRuns: 3,
  definition: DEFINITION,
};

const KEY = generateKey('EdDSA', { kid: 'creator' });
const P256 = generateKey('ES256', { kid: 'creator-p256' });
const setOf = (...keys: object[]) => readKeySet(JSON.stringify({ version: 1, keys }));
const KEYS = setOf(KEY.publicJwk, P256.publicJwk);

const signed = (definition: Fields = DEFINITION, context: Partial<SigningContext> = {}, key = KEY) =>
  signTask(signerOf(key.privateJwk), { ...CONTEXT, ...context }, definition);

/** As a foreign signer would, without any of our checks. */
async function signedText(payload: string | Uint8Array, header: Fields = {}, key = KEY): Promise<string> {
  const { alg, kid } = key.publicJwk as { alg: string; kid: string };
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  return new CompactSign(bytes)
    .setProtectedHeader({ alg, kid, typ: TYP, ...header } as { alg: string })
    .sign(await importJWK(key.privateJwk as JWK, alg));
}

const verify = (jws: string | undefined, over: Partial<Expectation> = {}, keys: KeySet | undefined = KEYS, copy?: unknown) =>
  verifyTask(jws, { ...EXPECTED, ...over }, keys, copy);

/** The code of a refusal; an untyped one fails the test that asked. */
function refusal(check: () => unknown): SignatureError {
  try {
    check();
  } catch (error) {
    if (error instanceof SignatureError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}
const codeOf = (...given: Parameters<typeof verify>) => refusal(() => verify(...given)).code;

const [HEADER, GOOD_PAYLOAD, SIGNATURE] = (await signed()).split('.') as [string, string, string];
const GOOD = [HEADER, GOOD_PAYLOAD, SIGNATURE].join('.');
const b64u = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const isFrozen = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));

describe('a signed definition', () => {
  const pairs: [VerifyingAlg, () => { privateKey: KeyObject }][] = [
    ['EdDSA', () => generateKeyPairSync('ed25519')],
    ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ES512', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['PS512', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ];
  it.each(pairs)('(1) by %s, signed by another library, verifies and is exactly what was signed, frozen', async (alg, pair) => {
    const { privateKey } = pair();
    const publicJwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid: 'one', alg };
    const key = { privateJwk: privateKey.export({ format: 'jwk' }), publicJwk };
    const seen = verify(await signedText(canonicalJson(PAYLOAD), {}, key as unknown as typeof KEY), {}, setOf(publicJwk));
    expect(seen.definition).toEqual(DEFINITION);
    expect(isFrozen(seen)).toBe(true);
    expect(seen).toMatchObject({ kid: 'one', alg, iat: NOW, exp: NOW + 3600, maxRuns: 3 });
    expect(seen.payloadDigest).toBe(createHash('sha256').update(canonicalJson(PAYLOAD)).digest('hex'));
  });

  it.each([KEY, P256])('(1) by us is good for another library', async (key) => {
    const jws = await signed(DEFINITION, {}, key);
    const { payload, protectedHeader } = await compactVerify(jws, await importJWK(key.publicJwk as JWK, String(key.publicJwk.alg)));
    expect(protectedHeader).toEqual({ alg: key.publicJwk.alg, kid: key.publicJwk.kid, typ: TYP });
    expect(Object.keys(protectedHeader)).toEqual(['alg', 'kid', 'typ']);
    expect(Buffer.from(payload).toString()).toBe(canonicalJson(PAYLOAD));
  });

  it('(33) by EdDSA is the same each time; by ES256 only what was signed is', async () => {
    expect(await signed()).toBe(GOOD);
    const [one, other] = [await signed(DEFINITION, {}, P256), await signed(DEFINITION, {}, P256)];
    expect(one).not.toBe(other);
    expect(verify(one).payloadDigest).toBe(verify(other).payloadDigest);
    expect(verify(one).payloadDigest).toBe(verify(GOOD).payloadDigest);
  });

  it('(66) is what was verified, whatever becomes of the claim, of the key set and of what was expected', () => {
    const claim = { jws: GOOD, task: structuredClone(DEFINITION), expected: { ...EXPECTED } };
    const seen = verifyTask(claim.jws, claim.expected, KEYS, claim.task);
    claim.task.payload.command[0] = 'rm';
    claim.jws = 'x';
    claim.expected.taskId = 'x';
    expect(seen.definition).toEqual(DEFINITION);
    expect(() => (seen.definition.payload as { command: string[] }).command.push('x')).toThrow(TypeError);
    expect(() => Object.assign(seen.definition, { payload: {} })).toThrow(TypeError);
    expect(() => Object.assign(KEYS.keys, { other: KEYS.keys.creator })).toThrow(TypeError);
  });
});

describe("the queue's copy", () => {
  const copies = (copy: unknown) => codeOf(GOOD, {}, KEYS, copy);

  it.each(Object.keys(DEFINITION))('(2, 3) with %s changed or removed is refused', (name) => {
    const { [name]: member, ...without } = DEFINITION as Fields;
    const other =
      typeof member === 'string'
        ? `${member}x`
        : Array.isArray(member)
          ? [...member, 'x']
          : typeof member === 'number'
            ? member + 1
            : { ...(member as object), x: 1 };
    for (const copy of [{ ...DEFINITION, [name]: other }, { ...DEFINITION, [name]: null }, without]) {
      const { code, detail } = refusal(() => verify(GOOD, {}, KEYS, copy));
      expect([code, detail]).toEqual(['definition-mismatch', expect.stringMatching(`differs in ${name}$`)]);
    }
  });

  it('(4, 40) with more in it is refused: a field, a variable, a scope', () => {
    expect(copies({ ...DEFINITION, tags: {} })).toBe('definition-mismatch');
    expect(copies({ ...DEFINITION, scopes: [...DEFINITION.scopes, '*'] })).toBe('definition-mismatch');
    const env = { ...DEFINITION.payload.env, LD_PRELOAD: '/tmp/x.so' };
    expect(copies({ ...DEFINITION, payload: { ...DEFINITION.payload, env } })).toBe('definition-mismatch');
  });

  it.each([[null], ['x'], [1], [[]], [{}], [Number.NaN], [{ ...DEFINITION, x: 1n }], [{ ...DEFINITION, tags: () => 1 }]])(
    '(4) that is %p is refused',
    (copy) => {
      expect(copies(copy)).toBe('definition-mismatch');
    },
  );

  it('(4) that contains itself is refused', () => {
    const copy: Fields = { ...DEFINITION };
    copy.metadata = copy;
    expect(copies(copy)).toBe('definition-mismatch');
  });

  it('(8) may have its members in any order', () => {
    const copy = Object.fromEntries(Object.entries(DEFINITION).reverse());
    expect(verify(GOOD, {}, KEYS, copy).definition).toEqual(DEFINITION);
  });

  it('(7) with any edit that changes what it says is refused', () => {
    const path = fc.array(fc.nat(20), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(path, fc.constantFrom('set', 'delete', 'add'), fc.jsonValue({ maxDepth: 1 }), (steps, how, value) => {
        const copy = structuredClone(DEFINITION) as Fields;
        edit(copy, steps, how, value);
        fc.pre(!sameJson(copy, DEFINITION));
        expect(copies(copy)).toBe('definition-mismatch');
      }),
      { numRuns: 1500 },
    );
  });

  it('(63) that differs is told by names, not by values', () => {
    const { detail } = refusal(() => verify(GOOD, {}, KEYS, { ...DEFINITION, payload: { secret: 'hunter2' } }));
    expect(detail).not.toMatch(/hunter2|make|bär/);
  });
});

describe('what was signed', () => {
  const text = canonicalJson(PAYLOAD);
  const codeOfText = async (payload: string | Uint8Array) => codeOf(await signedText(payload));

  it('(1) as a foreign signer spells it, is good if it is the canonical text', async () => {
    expect(verify(await signedText(text)).definition).toEqual(DEFINITION);
  });

  it.each([
    ['(9) a key twice', text.replace('"priority":"low"', '"priority":"low","priority":"low"')],
    ['(9) a key twice, above', text.replace('"maxRuns":3', '"maxRuns":1,"maxRuns":3')],
    ['(10) 3.0', text.replace('"maxRuns":3', '"maxRuns":3.0')],
    ['(10) 3e0', text.replace('"maxRuns":3', '"maxRuns":3e0')],
    ['(10) -0', text.replace('"retries":2', '"retries":-0')],
    ['(10) white space in front', ` ${text}`],
    ['(10) a line end', `${text}\n`],
    ['(10) white space within', text.replace(',', ', ')],
    ['(10) members in another order', JSON.stringify(PAYLOAD)],
    ['(11) 2^53 + 1', text.replace('"retries":2', '"retries":9007199254740993')],
    ['(11) 2^53', text.replace('"retries":2', '"retries":9007199254740992')],
    ['(11) 1e400', text.replace('"retries":2', '"retries":1e400')],
    ['(12) an escape that is not needed', text.replace('"FOO":', '"\\u0046OO":')],
    ['(12) an escaped slash', text.replace('builds/linux', 'builds\\/linux')],
    ['(14) a lone surrogate', text.replace('"build"', '"\\ud800"')],
    ['(14) a lone surrogate in a name', text.replace('"FOO":', '"\\udc00":')],
    ['(16) __proto__', text.replace('"on":true', '"__proto__":{"on":true}')],
    ['(16) __proto__ at the top', text.replace('{"_type"', '{"__proto__":{},"_type"')],
    ['(17) 3000 levels', text.replace('"on":true', `"on":${'['.repeat(3000)}${']'.repeat(3000)}`)],
    ['(17) 101 levels', text.replace('"on":true', `"on":${'['.repeat(98)}${']'.repeat(98)}`)],
    ['(19) no JSON', 'hello'],
    ['(19) no object', '[]'],
    ['(19) null', 'null'],
    ['(20) another _type', text.replace('leasehold-task/v1', 'leasehold-task/v2')],
    ['(20) no _type', text.replace('"_type":"leasehold-task/v1",', '')],
    ['(39) milliseconds', text.replace(`"exp":${NOW + 3600}`, `"exp":${NOW * 1000}`)],
    ['(39) an end before its beginning', text.replace(`"exp":${NOW + 3600}`, `"exp":${NOW}`)],
    ['(38) no runs', text.replace('"maxRuns":3', '"maxRuns":0')],
    ['(38) runs that are a text', text.replace('"maxRuns":3', '"maxRuns":"3"')],
    ['(36) a definition for another task queue', text.replace('"taskQueueId":"builds/linux"},"exp"', '"taskQueueId":"builds/mac"},"exp"')],
  ])('%s is refused, though the signature is good', async (_, payload) => {
    expect(payload).not.toBe(text);
    expect(await codeOfText(payload)).toBe('signature-payload-invalid');
  });

  it.each(Object.keys(PAYLOAD))('(19) without %s, or with more, is refused', async (name) => {
    const { [name]: _, ...without } = PAYLOAD as Fields;
    expect(await codeOfText(canonicalJson(without))).toBe('signature-payload-invalid');
    expect(await codeOfText(canonicalJson({ ...PAYLOAD, [`${name}2`]: 1 }))).toBe('signature-payload-invalid');
  });

  it('(15) is UTF-8 without a mark in front', async () => {
    const bytes = Buffer.from(text);
    const at = bytes.indexOf('FOO');
    for (const [from, to] of [
      [0xff, 0xfe],
      [0xc0, 0x80],
      [0xed, 0xa0],
    ] as const) {
      const broken = Buffer.from(bytes);
      broken.set([from, to], at);
      expect(await codeOfText(broken)).toBe('signature-payload-invalid');
    }
    expect(await codeOfText(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]))).toBe('signature-payload-invalid');
  });

  it('(13) is not normalised: what looks alike may be another definition', async () => {
    const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301'].map((name) => ({ ...DEFINITION, projectId: name }));
    const jws = await signed(composed);
    expect(verify(jws, {}, KEYS, composed).definition).toEqual(composed);
    expect(codeOf(jws, {}, KEYS, decomposed)).toBe('definition-mismatch');
    expect(verify(jws).payloadDigest).not.toBe(verify(await signed(decomposed)).payloadDigest);
  });

  it('(17) may be 100 levels deep', async () => {
    const deep = text.replace('"on":true', `"on":${'['.repeat(97)}${']'.repeat(97)}`);
    expect(verify(await signedText(deep)).maxRuns).toBe(3);
  });

  it('(5, 6) with one bit changed is refused', () => {
    const bytes = Buffer.from(GOOD_PAYLOAD, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(codeOf([HEADER, flipped.toString('base64url'), SIGNATURE].join('.'))).toBe('signature-invalid');
    }
  });

  it('(18) beyond 1 MiB is refused before anything is read of it', async () => {
    const huge = await signedText(canonicalJson({ ...PAYLOAD, definition: { ...DEFINITION, extra: 'x'.repeat(800_000) } }));
    const { code, detail } = refusal(() => verify(huge));
    expect([code, detail]).toEqual(['signature-malformed', expect.stringContaining('longer than 1048576')]);
    expect(codeOf('.'.repeat(2e6))).toBe('signature-malformed');
    const large = await signedText(canonicalJson({ ...PAYLOAD, definition: { ...DEFINITION, extra: 'x'.repeat(780_000) } }));
    expect(verify(large).maxRuns).toBe(3);
  });
});

describe('the header', () => {
  const withHeader = (header: unknown) => [b64u(header), GOOD_PAYLOAD, SIGNATURE].join('.');
  const header = { alg: 'EdDSA', kid: 'creator', typ: TYP };

  it.each([
    ['(21) none', { ...header, alg: 'none' }],
    ['(21) None', { ...header, alg: 'NonE' }],
    ['(22) HS256', { ...header, alg: 'HS256' }],
    ['(22) RS256', { ...header, alg: 'RS256' }],
    ['(22) no alg', { kid: 'creator', typ: TYP }],
    ['(22) an alg that is no text', { ...header, alg: ['EdDSA'] }],
    ['(25) no kid', { alg: 'EdDSA', typ: TYP }],
    ['(25) an empty kid', { ...header, kid: '' }],
    ['(25) a kid that is no text', { ...header, kid: 1 }],
    ['(25) a kid with a line end', { ...header, kid: 'creator\n' }],
    ['(27) jwk', { ...header, jwk: KEY.publicJwk }],
    ['(27) jku', { ...header, jku: 'https://example.com/jwks' }],
    ['(27) x5u', { ...header, x5u: 'https://example.com/x5u' }],
    ['(28) no typ', { alg: 'EdDSA', kid: 'creator' }],
    ['(28) typ JWT', { ...header, typ: 'JWT' }],
    ['(28) typ at+jwt', { ...header, typ: 'at+jwt' }],
    ['(30) b64', { ...header, b64: true }],
    ['(30) crit', { ...header, crit: [] }],
    ['(30) cty', { ...header, cty: 'json' }],
    ['(29) another order', { typ: TYP, alg: 'EdDSA', kid: 'creator' }],
    ['(29) alg twice', '{"alg":"none","alg":"EdDSA","kid":"creator","typ":"leasehold-task+jws"}'],
    ['(29) kid twice', '{"alg":"EdDSA","kid":"other","kid":"creator","typ":"leasehold-task+jws"}'],
    ['(29) white space', '{"alg":"EdDSA", "kid":"creator","typ":"leasehold-task+jws"}'],
    ['(29) an escape', '{"alg":"EdDSA","kid":"\\u0063reator","typ":"leasehold-task+jws"}'],
    ['(29) no JSON', 'hello'],
    ['(29) a list', '[]'],
    ['(29) null', 'null'],
  ])('%s is refused before any key is looked at', (_, given) => {
    expect(codeOf(withHeader(given), {}, undefined)).toBe('signature-malformed');
  });

  it.each([
    ['(29) members twice', '{"alg":"EdDSA","alg":"EdDSA","kid":"creator","typ":"leasehold-task+jws"}'],
    ['(30) b64', canonicalJson({ ...header, b64: true })],
    ['(27) jwk', canonicalJson({ ...header, jwk: KEY.publicJwk })],
  ])('%s is refused, though it was signed', async (_, given) => {
    const input = `${b64u(given)}.${GOOD_PAYLOAD}`;
    const signature = await signerOf(KEY.privateJwk).sign(Buffer.from(input));
    expect(codeOf(`${input}.${Buffer.from(signature).toString('base64url')}`)).toBe('signature-malformed');
  });

  it('(28) of another type is refused, though the same key signed it', async () => {
    expect(codeOf(await signedText(canonicalJson(PAYLOAD), { typ: 'JWT' }))).toBe('signature-malformed');
  });

  it('(22) cannot make a secret of the public key', async () => {
    const x = String(KEY.publicJwk.x);
    const publicKey = createPublicKey({ key: KEY.publicJwk, format: 'jwk' });
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      Buffer.from(x, 'base64url'),
    ]) {
      const bytes = new TextEncoder().encode(canonicalJson(PAYLOAD));
      const jws = await new CompactSign(bytes).setProtectedHeader({ alg: 'HS256', kid: 'creator', typ: TYP }).sign(Buffer.from(secret));
      expect(codeOf(jws)).toBe('signature-malformed');
    }
  });

  it('(34) names one spelling of EdDSA, and says so to who uses the other', () => {
    const { code, detail } = refusal(() => verify(withHeader({ ...header, alg: 'Ed25519' })));
    expect([code, detail]).toEqual(['signature-malformed', expect.stringContaining('sign with alg EdDSA')]);
  });

  it('(23) with the kid of another key is refused', async () => {
    expect(codeOf(await signedText(canonicalJson(PAYLOAD), { kid: 'creator-p256' }))).toBe('signature-invalid');
    const other = generateKey('EdDSA', { kid: 'other' });
    expect(codeOf(withHeader({ ...header, kid: 'other' }), {}, setOf(KEY.publicJwk, other.publicJwk))).toBe('signature-invalid');
  });

  it('(23) with the alg of another key is refused, though the key has signed just that', async () => {
    const input = `${b64u(canonicalJson({ ...header, alg: 'ES256' }))}.${GOOD_PAYLOAD}`;
    const signature = await signerOf(KEY.privateJwk).sign(Buffer.from(input));
    expect(codeOf(`${input}.${Buffer.from(signature).toString('base64url')}`)).toBe('signature-invalid');
  });

  it('(24) with a kid that is not known is refused as just that', async () => {
    for (const kid of ['nobody', '__proto__', 'constructor', 'toString'])
      expect(codeOf(await signedText(canonicalJson(PAYLOAD), { kid }))).toBe('signature-unknown-key');
  });

  it("(26) with an honest kid does not make an attacker's key honest", async () => {
    const attacker = generateKey('EdDSA', { kid: 'creator' });
    expect(codeOf(await signed(DEFINITION, {}, attacker))).toBe('signature-invalid');
  });
});

describe('the parts', () => {
  it.each([
    ['(21) an empty signature', `${HEADER}.${GOOD_PAYLOAD}.`],
    ['(21) no signature', `${HEADER}.${GOOD_PAYLOAD}`],
    ['(31) an empty payload', `${HEADER}..${SIGNATURE}`],
    ['(31) a fourth part', `${GOOD}.`],
    ['(31) padding', `${GOOD}==`],
    ['(31) a line end', `${GOOD}\n`],
    ['(31) white space in front', ` ${GOOD}`],
    ['(31) a line end within', `${HEADER}.${GOOD_PAYLOAD}\n.${SIGNATURE}`],
    ['(31) base64 with +', `${HEADER}.${GOOD_PAYLOAD}.${SIGNATURE.slice(0, -2)}+A`],
    ['(31) only dots', '..'],
    ['(31) JSON', '{"payload":""}'],
  ])('%s is refused', (_, jws) => {
    expect(codeOf(jws)).toBe('signature-malformed');
  });

  it('(31) have one spelling each: other bits at the end are refused', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(SIGNATURE.at(-1)!); // 64 bytes leave four bits of the last character
    const other = `${SIGNATURE.slice(0, -1)}${alphabet[last ^ 1]}`;
    expect(Buffer.from(other, 'base64url')).toEqual(Buffer.from(SIGNATURE, 'base64url'));
    expect(codeOf(`${HEADER}.${GOOD_PAYLOAD}.${other}`)).toBe('signature-malformed');
  });

  it('(32) of ES256 have a twin, which is over the same', async () => {
    const jws = await signed(DEFINITION, {}, P256);
    const [header, payload, signature] = jws.split('.') as [string, string, string];
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const bytes = Buffer.from(signature, 'base64url');
    const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from((n - s).toString(16).padStart(64, '0'), 'hex')]);
    const twinned = `${header}.${payload}.${twin.toString('base64url')}`;
    expect(twinned).not.toBe(jws);
    expect(verify(twinned)).toEqual(verify(jws));
  });

  it.each([
    ['zeros', Buffer.alloc(64)],
    ['DER', Buffer.from('3006020101020101', 'hex')],
    ['one byte more', Buffer.concat([Buffer.from(SIGNATURE, 'base64url'), Buffer.alloc(1)])],
    ['one byte less', Buffer.from(SIGNATURE, 'base64url').subarray(1)],
  ])('(21) a signature of %s is refused', async (_, signature) => {
    for (const key of [KEY, P256]) {
      const [header, payload] = (await signed(DEFINITION, {}, key)).split('.');
      expect(codeOf([header, payload, signature.toString('base64url')].join('.'))).toBe('signature-invalid');
    }
  });

  it('(21) a signature of ES256 in DER is refused, though it is good', async () => {
    const [header, payload] = (await signed(DEFINITION, {}, P256)).split('.');
    const der = sign('sha256', Buffer.from(`${header}.${payload}`), { key: P256.privateJwk, format: 'jwk' });
    expect(codeOf([header, payload, der.toString('base64url')].join('.'))).toBe('signature-invalid');
  });

  it.each([[undefined], [''], [null]])('(55) there is no signature: %p', (jws) => {
    expect(codeOf(jws as undefined)).toBe('signature-missing');
  });

  it.each([[1], [{}], [[GOOD]], [Buffer.from(GOOD)], [true]])('(6) no text: %p', (jws) => {
    expect(codeOf(jws as unknown as string)).toBe('signature-malformed');
  });
});

describe('the context', () => {
  it.each([
    ['(35) another task', { taskId: 'dSlITZ4yQgmvxxAi4A8fHQ' }],
    ['(36) another task queue', { taskQueueId: 'builds/mac' }],
    ['(36) a longer task queue', { taskQueueId: 'builds/linux-2' }],
    ['(37) another deployment', { audience: 'https://tasks.example.com/' }],
    ['(38) a run too many', { runId: 3 }],
    ['(38) a run far beyond', { runId: 1000 }],
  ])('%s is refused', (_, over) => {
    expect(codeOf(GOOD, over)).toBe('signature-context-mismatch');
  });

  it('(38) all runs that were signed for are good', () => {
    for (const runId of [0, 1, 2]) expect(verify(GOOD, { runId }).maxRuns).toBe(3);
  });

  it.each([
    ['at the end and the skew', NOW + 3660, 'signature-expired'],
    ['a second before', NOW + 3659, undefined],
    ['at the beginning less the skew', NOW - 60, undefined],
    ['a second before that', NOW - 61, 'signature-not-yet-valid'],
  ])('(39) %s', (_, now, code) => {
    if (code === undefined) expect(verify(GOOD, { now }).iat).toBe(NOW);
    else expect(codeOf(GOOD, { now })).toBe(code);
    if (code === 'signature-expired') expect(verify(GOOD, { now: NOW + 3599, skew: 0 }).iat).toBe(NOW);
  });

  it('(43) refused for its time, both clocks are named', () => {
    for (const now of [NOW - 7200, NOW + 7200]) {
      const { detail } = refusal(() => verify(GOOD, { now }));
      expect(detail).toContain(`the clock of this machine says ${new Date(now * 1000).toISOString()}`);
      expect(detail).toContain('2027-01-15T0');
    }
  });

  it.each([
    ['milliseconds', { now: NOW * 1000 }],
    ['no clock', { now: Number.NaN }],
    ['no time at all', { now: undefined }],
    ['no bound on clocks', { skew: Number.POSITIVE_INFINITY }],
    ['a year of skew', { skew: 3e7 }],
    ['a negative skew', { skew: -1 }],
    ['no run', { runId: undefined }],
    ['a run before the first', { runId: -1 }],
    ['half a run', { runId: 0.5 }],
    ['no audience', { audience: undefined }],
    ['no task', { taskId: '' }],
  ])('(58) asked with %s it is an error of ours, and nothing is accepted', (_, over) => {
    expect(codeOf(GOOD, over as Partial<Expectation>)).toBe('signature-check-error');
  });

  it('(58) asked with nothing at all it is an error of ours', () => {
    expect(refusal(() => verifyTask(GOOD, undefined as unknown as Expectation, KEYS)).code).toBe('signature-check-error');
    expect(refusal(() => verifyTask(GOOD, EXPECTED, {} as KeySet)).code).toBe('signature-check-error');
  });
});

describe('the key', () => {
  const withTerms = (terms: KeyTerms & { revoked?: boolean }) => setOf({ ...KEY.publicJwk, ...terms });

  it.each([
    ['revoked', { revoked: true }, 'signature-key-not-valid'],
    ['to be valid later', { nbf: NOW + 61 }, 'signature-key-not-valid'],
    ['expired', { exp: NOW - 60 }, 'signature-key-not-valid'],
    ['valid from now on, more or less', { nbf: NOW + 60 }, undefined],
    ['valid until now, more or less', { exp: NOW - 59 }, undefined],
    ['not revoked', { revoked: false }, undefined],
  ])('(46) that is %s', (_, terms, code) => {
    if (code === undefined) expect(verify(GOOD, {}, withTerms(terms)).kid).toBe('creator');
    else expect(codeOf(GOOD, {}, withTerms(terms))).toBe(code);
  });

  it('(46) signs nothing that is older than it', () => {
    const keys = withTerms({ nbf: NOW + 1000 });
    expect(codeOf(GOOD, { now: NOW + 2000 }, keys)).toBe('signature-key-not-valid');
  });

  it.each([
    [['builds/linux'], true],
    [['builds/*'], true],
    [['builds/lin*'], true],
    [['*'], true],
    [['tests/x', 'builds/linux'], true],
    [['builds/linu'], false],
    [['linux'], false],
    [['linux*'], false],
    [['builds/linux-*'], false],
    [['uilds/*'], false],
    [['tests/*'], false],
  ])('(47) for %j signs for builds/linux: %p', (taskQueues, may) => {
    const keys = withTerms({ taskQueues });
    if (may) expect(verify(GOOD, {}, keys).kid).toBe('creator');
    else expect(codeOf(GOOD, {}, keys)).toBe('signature-key-not-allowed');
  });

  it('(50) is in no key set, or in one that is too old', () => {
    expect(refusal(() => verifyTask(GOOD, EXPECTED, undefined)).code).toBe('keyset-unavailable');
    const until = (expires: number) => readKeySet(JSON.stringify({ version: 1, expires, keys: [KEY.publicJwk] }));
    expect(codeOf(GOOD, {}, until(NOW - 60))).toBe('keyset-unavailable');
    expect(verify(GOOD, {}, until(NOW + 1)).kid).toBe('creator');
  });

  it('(48) that was taken out of the set is not known any more', () => {
    expect(codeOf(GOOD, {}, setOf(P256.publicJwk))).toBe('signature-unknown-key');
  });
});

describe('a key set that is replaced', () => {
  const next = readKeySet(JSON.stringify({ version: 2, keys: [{ ...KEY.publicJwk, revoked: true }] }));

  it('(51) counts from the next verification on', () => {
    const believed = { keySet: KEYS };
    expect(verifyTask(GOOD, EXPECTED, believed.keySet).kid).toBe('creator');
    believed.keySet = next;
    expect(codeOf(GOOD, {}, believed.keySet)).toBe('signature-key-not-valid');
  });

  /* A verification awaits nothing, and is given the set, not where it is. So only what it reads itself could replace that meanwhile. */
  it('(51) in the middle of a verification does not count for that one', () => {
    const believed = { keySet: KEYS };
    const replaceThen = <T>(value: T): T => {
      believed.keySet = next;
      return value;
    };
    const expectation = {
      ...EXPECTED,
      get audience() {
        return replaceThen(audience);
      },
    };
    expect(verifyTask(GOOD, expectation, believed.keySet, DEFINITION).kid).toBe('creator');
    expect(believed.keySet).toBe(next);
    expect(codeOf(GOOD, {}, believed.keySet)).toBe('signature-key-not-valid');
  });
});

describe('(6) whatever comes', () => {
  it('texts of any kind are refused by a typed error', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.array(fc.base64String(), { maxLength: 4 }).map((parts) => parts.join('.')),
    );
    fc.assert(
      fc.property(texts, fc.jsonValue(), (text, copy) => {
        expect(refusal(() => verify(text, {}, KEYS, copy))).toBeInstanceOf(SignatureError);
      }),
      { numRuns: 1000 },
    );
  });

  it('payloads of any kind that were signed are refused, or are tasks', async () => {
    const members = fc.record(
      Object.fromEntries(
        Object.entries(PAYLOAD).map(([name, value]) => [
          name,
          fc.oneof({ weight: 5, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: fc.jsonValue() }),
        ]),
      ),
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), members), async (payload) => {
        const jws = await signedText(JSON.stringify(payload));
        expect(['signature-payload-invalid', 'signature-context-mismatch', 'signature-expired', 'signature-not-yet-valid']).toContain(
          codeOf(jws),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('(1) all that can be signed verifies as it was', async () => {
    const json = fc
      .dictionary(
        fc.string({ maxLength: 8 }).filter((name) => name !== 'taskQueueId'),
        fc.jsonValue({ maxDepth: 4 }),
      )
      .filter((value) => isExact(value));
    await fc.assert(
      fc.asyncProperty(json, async (definition) => {
        const seen = verify(await signed(definition), {}, KEYS, definition);
        expect(seen.definition).toEqual(JSON.parse(JSON.stringify(definition)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('what anybody could send', () => {
  it('is refused, and read no further, beyond 50 000 values', async () => {
    const full = (count: number) => ({ ...DEFINITION, payload: { list: Array(count).fill(0) } });
    const others = 60; // of the payload and the definition
    await expect(signed(full(50_000))).rejects.toMatchObject({ code: 'signature-payload-invalid' });
    expect(verify(await signed(full(50_000 - others))).kid).toBe('creator');
    expect(codeOf(jwsOf(full(380_000)))).toBe('signature-invalid'); // not even read, without a good key
    expect(refusal(() => inspectTask(jwsOf(full(380_000)), EXPECTED)).detail).toMatch(/more than 50000 values; let the task download/);
  });

  it.each(['taskId', 'taskQueueId', 'aud', '_type'])('is refused where %s is no text, whatever it can be made into', (name) => {
    for (const value of ['{"toString":1,"valueOf":1}', `${'['.repeat(100_000)}${']'.repeat(100_000)}`]) {
      const payload = JSON.stringify({ ...PAYLOAD, [name]: 0 }).replace(`"${name}":0`, `"${name}":${value}`);
      expect(refusal(() => inspectTask(jwsOfText(payload), EXPECTED)).code).toBe('signature-payload-invalid');
    }
  });

  it('ends no line of a log: names are quoted', async () => {
    const name = 'x\n\u001b[2Kall is well';
    const copy = { ...DEFINITION, [name]: 1 };
    const jws = await signed();
    for (const { message } of [refusal(() => verify(jws, {}, KEYS, copy)), refusal(() => inspectTask(jws, EXPECTED, copy))]) {
      expect(message).toContain('"x\\n\\u001b[2Kall is well"');
      expect(message).not.toMatch(/\p{Cc}/u);
    }
    const queue = JSON.stringify({ ...PAYLOAD, taskQueueId: 'a\nb/c' });
    expect(refusal(() => inspectTask(jwsOfText(queue), EXPECTED)).message).not.toContain('\n');
    expect(
      refusal(() => inspectTask(jwsOfText(JSON.stringify({ ...PAYLOAD, definition: { [name]: '\ud800' } })), EXPECTED)).message,
    ).not.toContain('\n');
  });

  it('(57) is compared with the copy, whoever signed it, and for whatever', async () => {
    const stranger = generateKey('EdDSA', { kid: 'creator' });
    const other = { audience: 'https://other.example.com', iat: 1, exp: 2, maxRuns: 1, taskQueueId: 'builds/linux' };
    for (const jws of [await signed(), await signed(DEFINITION, {}, stranger), await signed(DEFINITION, other)]) {
      expect(refusal(() => assertUnchanged(jws, { ...DEFINITION, retries: 3 })).code).toBe('definition-mismatch');
      assertUnchanged(jws, structuredClone(DEFINITION));
    }
    for (const unread of ['', 'a.b.c', jwsOfText('{}')]) assertUnchanged(unread, {});
  });

  /** By nobody's key. */
  function jwsOfText(payload: string): string {
    const part = (text: string) => Buffer.from(text).toString('base64url');
    return `${part(canonicalJson({ alg: 'EdDSA', kid: 'creator', typ: TYP }))}.${part(payload)}.${Buffer.alloc(64).toString('base64url')}`;
  }
  const jwsOf = (definition: Fields) => jwsOfText(canonicalJson({ ...PAYLOAD, definition }));
});

describe('a look at a signature without keys', () => {
  const inspect = (jws: string | undefined, over: Partial<Expectation> = {}, copy?: unknown) =>
    inspectTask(jws, { ...EXPECTED, ...over }, copy);

  it('tells what the signature says, whoever made it', async () => {
    const stranger = generateKey('EdDSA', { kid: 'creator' });
    const jws = await signed(DEFINITION, {}, stranger);
    const { payloadDigest, definition, ...rest } = inspect(jws, {}, DEFINITION);
    expect(rest).toEqual({ kid: 'creator', alg: 'EdDSA', iat: NOW, exp: NOW + 3600, maxRuns: 3 });
    expect(definition).toEqual(DEFINITION);
    expect(payloadDigest).toBe(verify(await signed()).payloadDigest);
    expect(refusal(() => verify(jws))).toMatchObject({ code: 'signature-invalid', claimed: { kid: 'creator', payloadDigest } });
  });

  it('refuses what no key could make good', async () => {
    const jws = await signed();
    const code = (...args: Parameters<typeof inspect>) => refusal(() => inspect(...args)).code;
    expect(code(undefined)).toBe('signature-missing');
    expect(code('a.b')).toBe('signature-malformed');
    expect(code(jws, { taskId: 'dSlITZ4yQgmvxxAi4A8fHQ' })).toBe('signature-context-mismatch');
    expect(code(jws, { audience: 'https://other.example.com' })).toBe('signature-context-mismatch');
    expect(code(jws, { now: NOW + 3660 })).toBe('signature-expired');
    expect(code(jws, { now: NOW - 61 })).toBe('signature-not-yet-valid');
    expect(code(jws, {}, { ...DEFINITION, retries: 3 })).toBe('definition-mismatch');
    expect(code(await signedText('{}'))).toBe('signature-payload-invalid');
    expect(code(jws, { now: Date.now() })).toBe('signature-check-error');
  });
});

/** As the house signs: text in, the same value out. */
function isExact(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isSafeInteger(value) || !Number.isInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, member]) => name !== '__proto__' && name.isWellFormed() && isExact(member));
}

function edit(copy: Fields, steps: readonly number[], how: string, value: unknown): void {
  let at = copy;
  for (const [depth, step] of steps.entries()) {
    const names = Object.keys(at);
    const name = names[step % Math.max(1, names.length)];
    if (how === 'add' && depth === steps.length - 1) at[Array.isArray(at) ? at.length : `added${step}`] = value;
    if (name === undefined) return;
    const next = at[name];
    if (depth < steps.length - 1 && typeof next === 'object' && next !== null) at = next as Fields;
    else if (how === 'delete') delete at[name];
    else if (how === 'set') at[name] = value;
  }
}

/** By other means than the code under test. */
function sameJson(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null)
    return one === other || (one === 0 && other === 0);
  const [names, others] = [Object.keys(one), Object.keys(other)];
  if (Array.isArray(one) !== Array.isArray(other) || names.length !== others.length) return false;
  return names.every((name) => Object.hasOwn(other, name) && sameJson((one as Fields)[name], (other as Fields)[name]));
}

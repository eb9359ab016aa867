import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { generateKey } from './generate-key.js';
import { mayReplace, readKeySet } from './key-set.js';
import { SignatureError } from './signature-error.js';
import { keyStateAt } from './verification-key.js';

type Fields = Record<string, unknown>;

const PAIR = generateKey('EdDSA', { kid: 'one' });
const ONE: Fields = PAIR.publicJwk;
const TWO: Fields = generateKey('ES256', { kid: 'two' }).publicJwk;
const rsa = (modulusLength: number, publicExponent = 0x10001) =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey.export({ format: 'jwk' });

/** With a zero byte, or more, in front of a member: the same number, in another spelling. */
const padded = (jwk: Fields, name: string, bytes = 1): Fields => ({
  ...jwk,
  [name]: Buffer.concat([Buffer.alloc(bytes), Buffer.from(String(jwk[name]), 'base64url')]).toString('base64url'),
});

/** 2^4096 + 1: of 4097 bits, and nobody need wait for it. */
const LARGE: Fields = { kty: 'RSA', e: 'AQAB', n: Buffer.from(`01${'00'.repeat(511)}01`, 'hex').toString('base64url') };

const textOf = (keys: unknown, more: Fields = {}) => JSON.stringify({ version: 1, keys, ...more });

function refusalOf(text: string): string {
  try {
    readKeySet(text);
  } catch (error) {
    if (error instanceof SignatureError && error.code === 'keyset-invalid') return error.detail;
    throw error;
  }
  throw new Error('it was accepted');
}

const without = (name: string, { [name]: _, ...rest }: Fields) => rest;

describe('a key set', () => {
  it('(45) is read with all that is said of its keys, and frozen', async () => {
    const terms = { owner: 'the release team', nbf: 1_700_000_000, exp: 1_900_000_000, taskQueues: ['builds/*'], revoked: true };
    const set = readKeySet(
      textOf(
        [
          { ...ONE, ...terms },
          { ...without('use', TWO), key_ops: ['verify'] },
        ],
        { version: 7, expires: 1_800_000_000 },
      ),
    );
    expect(set).toMatchObject({
      version: 7,
      expires: 1_800_000_000,
      keys: { one: { kid: 'one', alg: 'EdDSA', ...terms }, two: { alg: 'ES256', revoked: false } },
    });
    for (const [kid, jwk] of [
      ['one', ONE],
      ['two', TWO],
    ] as const)
      expect(set.keys[kid]?.thumbprint).toBe(await calculateJwkThumbprint(jwk as JWK));
    expect([set, set.keys, set.keys.one, set.keys.one?.taskQueues].every(Object.isFrozen)).toBe(true);
    expect(set.keys.constructor).toBeUndefined();
  });

  it('(45) may have a key of each algorithm', () => {
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey.export({ format: 'jwk' });
    const keys = [ONE, TWO, { ...p521, kid: 'three', alg: 'ES512' }, { ...rsa(2048), kid: 'four', alg: 'PS512' }];
    expect(Object.values(readKeySet(textOf(keys)).keys).map(({ alg }) => alg)).toEqual(['EdDSA', 'ES256', 'ES512', 'PS512']);
  });

  const point = {
    kty: 'EC',
    crv: 'P-256',
    kid: 'two',
    alg: 'ES256',
    x: Buffer.alloc(32, 1).toString('base64url'),
    y: Buffer.alloc(32, 1).toString('base64url'),
  };
  it.each<[string, unknown, RegExp]>([
    ['a private key', [PAIR.privateJwk], /key one is a private key/],
    ['a private RSA key', [{ ...rsa(2048), p: 'AQAB', kid: 'one', alg: 'PS512' }], /key one is a private key/],
    ['an oct key', [{ kty: 'oct', k: 'c2VjcmV0', kid: 'one', alg: 'HS256' }], /key one is symmetric/],
    ['no alg', [without('alg', ONE)], /key one has no alg/],
    ['the same kid twice', [ONE, { ...TWO, kid: 'one' }], /two keys one/],
    ['the same key twice', [ONE, { ...ONE, kid: 'other' }], /keys one and other are the same key/],
    ['no kid', [ONE, without('kid', TWO)], /key no\. 2 has no kid/],
    ['an empty kid', [{ ...ONE, kid: '' }], /key no\. 1 has a kid that/],
    ['a kid with a line end', [{ ...ONE, kid: 'one\ntwo' }], /key no\. 1 has a kid that/],
    ['a kid that is a number', [{ ...ONE, kid: 1 }], /key no\. 1 has a kid that/],
    ['use enc', [{ ...ONE, use: 'enc' }], /key one is not for signatures/],
    ['key_ops sign', [{ ...ONE, key_ops: ['sign', 'verify'] }], /key one is not for verifying/],
    ['key_ops in another list', [{ ...ONE, key_ops: [['verify']] }], /key one is not for verifying/],
    ['no keys', [], /list of 1 to 1000/],
    ['no list', ONE, /list of 1 to 1000/],
    ['too many', Array.from({ length: 1001 }, () => ONE), /list of 1 to 1000/],
    ['RS256', [{ ...rsa(2048), kid: 'one', alg: 'RS256' }], /key one has an alg that is not one of EdDSA, ES256, ES512, PS512/],
    ['HS256', [{ ...ONE, alg: 'HS256' }], /key one has an alg/],
    ['none', [{ ...ONE, alg: 'none' }], /key one has an alg/],
    ['an alg that is no text', [{ ...ONE, alg: ['EdDSA'] }], /key one has an alg/],
    ['toString as alg', [{ ...ONE, alg: 'toString' }], /key one has an alg/],
    ['(34) Ed25519', [{ ...ONE, alg: 'Ed25519' }], /key one has alg Ed25519; here that is called EdDSA/],
    ['an alg of another kind', [{ ...ONE, alg: 'ES256' }], /key one is no key: a key for ES256 has kty EC and crv P-256/],
    ['another curve', [{ ...TWO, alg: 'ES512' }], /key two is no key: a key for ES512 has kty EC and crv P-521/],
    ['X25519', [{ ...ONE, crv: 'X25519' }], /key one is no key/],
    ['null', [null], /key no\. 1 is not a JSON object/],
    ['a list in the list', [[ONE]], /key no\. 1 is not a JSON object/],
    ['a text', ['one'], /key no\. 1 is not a JSON object/],
    ['no x', [without('x', ONE)], /key one is no key: x is missing/],
    ['a short x', [{ ...ONE, x: 'AAAA' }], /key one is no key: x must have 32 bytes/],
    ['x in another spelling', [{ ...ONE, x: `${ONE.x}=` }], /key one is no key: x is missing, or not base64url/],
    ['no point of the curve', [point], /key two is no key: no such point/],
    ['RSA with 1024 bits', [{ ...rsa(1024), kid: 'one', alg: 'PS512' }], /key one is no key: an RSA key has 2048 to 4096 bits/],
    ['RSA with 2047 bits', [{ ...rsa(2047), kid: 'one', alg: 'PS512' }], /key one is no key: an RSA key has 2048/],
    ['RSA with 4097 bits', [{ ...LARGE, kid: 'one', alg: 'PS512' }], /key one is no key: an RSA key has 2048/],
    ['RSA with few bits and zeros', [{ ...padded(rsa(1056), 'n', 125), kid: 'one', alg: 'PS512' }], /key one is no key: an RSA key has/],
    [
      'a zero byte before n',
      [{ ...padded(rsa(2048), 'n'), kid: 'one', alg: 'PS512' }],
      /key one is no key: n begins with a byte that is zero/,
    ],
    ['a zero byte before e', [{ ...padded(rsa(2048), 'e'), kid: 'one', alg: 'PS512' }], /key one is no key: the exponent/],
    ['a zero byte before x', [padded(TWO, 'x')], /key two is no key: x and y must have 32 bytes/],
    ['RSA with exponent 3', [{ ...rsa(2048, 3), kid: 'one', alg: 'PS512' }], /key one is no key: the exponent/],
    ['a misspelt limit', [{ ...ONE, taskQueue: ['builds/*'] }], /key one has a member "taskQueue", which means nothing/],
    ['certificates', [{ ...ONE, x5c: [] }], /key one has a member "x5c"/],
    ['__proto__', [JSON.parse('{"kid":"one","__proto__":{"alg":"EdDSA"}}')], /key one has a member "__proto__"/],
    ['nbf in milliseconds', [{ ...ONE, nbf: 1_800_000_000_000 }], /key one has nbf: not a time/],
    ['exp as a text', [{ ...ONE, exp: '2027-01-01' }], /key one has exp: not a time/],
    ['exp null', [{ ...ONE, exp: null }], /key one has exp: not a time/],
    ['an end before its beginning', [{ ...ONE, nbf: 2, exp: 2 }], /key one is never valid/],
    ['revoked: "false"', [{ ...ONE, revoked: 'false' }], /key one has revoked/],
    ['an owner that is no text', [{ ...ONE, owner: {} }], /key one has an owner/],
    ['an owner with a lone surrogate', [{ ...ONE, owner: '\ud800' }], /key one has an owner/],
    ['a long owner', [{ ...ONE, owner: 'x'.repeat(257) }], /key one has an owner/],
    ['no task queues', [{ ...ONE, taskQueues: [] }], /key one has taskQueues/],
    ['a task queue that is no list', [{ ...ONE, taskQueues: 'builds/*' }], /key one has taskQueues/],
    ['a * in the middle', [{ ...ONE, taskQueues: ['*/linux'] }], /key one has taskQueues/],
    ['two *', [{ ...ONE, taskQueues: ['builds/**'] }], /key one has taskQueues/],
    ['an empty pattern', [{ ...ONE, taskQueues: [''] }], /key one has taskQueues/],
    ['a regular expression', [{ ...ONE, taskQueues: ['builds/.*'] }], /key one has taskQueues/],
  ])('(45) with %s is refused', (_, keys, says) => {
    expect(refusalOf(textOf(keys))).toMatch(says);
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', 'x', /it is not JSON/],
    ['nothing', '', /it is not JSON/],
    ['a list', '[]', /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['no version', textOf([ONE], { version: undefined }), /version must be/],
    ['version 0', textOf([ONE], { version: 0 }), /version must be/],
    ['version 1.5', textOf([ONE], { version: 1.5 }), /version must be/],
    ['a version that is a text', textOf([ONE], { version: '1' }), /version must be/],
    ['expires in milliseconds', textOf([ONE], { expires: 1_800_000_000_000 }), /expires not a time/],
    ['more than it has', textOf([ONE], { threshold: 2 }), /a member "threshold"/],
    ['keys twice', `{"version":1,"keys":[],"keys":[${JSON.stringify(ONE)}]}`, /has "keys" twice/],
    ['alg twice in a key', textOf([ONE]).replace('"alg":', '"alg":"ES256","alg":'), /has "alg" twice/],
  ])('(45) that is, or has, %s is refused', (_, text, says) => {
    expect(refusalOf(text)).toMatch(says);
  });

  it('(45) is refused with all that is wrong with it, and without a byte of its keys', () => {
    const told = refusalOf(
      textOf([PAIR.privateJwk, { ...TWO, alg: 'RS256', use: 'enc' }, { ...ONE, x: 'AAAA', kid: 'three' }], { version: 0 }),
    );
    expect(told).toMatch(/version.*key one.*key two .*alg.*, and is not for signatures.*key three/);
    const secrets = [PAIR.privateJwk.d, ONE.x, TWO.x, TWO.y, 'AAAA'] as string[];
    for (const secret of secrets) expect(told).not.toContain(secret);
    expect(refusalOf(JSON.stringify(PAIR.privateJwk).slice(0, -1))).not.toContain(String(PAIR.privateJwk.d));
  });

  it.each(['kty', 'crv', 'x', 'kid', 'alg', 'use', 'key_ops', 'owner', 'nbf', 'revoked', 'taskQueues', 'other'])(
    '(45) with a %s of 100 000 levels is refused by a typed error',
    (name) => {
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
      expect(refusalOf(textOf([{ ...ONE, [name]: 'DEEP' }]).replace('"DEEP"', deep))).toMatch(/^The key set is refused: key /);
    },
  );

  it('(45) of whatever kind is read, or refused by a typed error', () => {
    const key = fc.oneof(
      fc.jsonValue(),
      fc.record(
        { ...Object.fromEntries(Object.keys(ONE).map((name) => [name, fc.oneof(fc.constant(ONE[name]), fc.jsonValue())])) },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.array(key, { maxLength: 3 }).map((keys) => textOf(keys)),
        ),
        (text) => {
          try {
            expect(Object.keys(readKeySet(text).keys)).not.toEqual([]);
          } catch (error) {
            expect(error).toMatchObject({ code: 'keyset-invalid' });
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('a newer key set', () => {
  const set = (version: number, keys: Fields[] = [ONE]) => readKeySet(textOf(keys, { version }));

  it('(54) takes the place of an older one, and never the other way round', () => {
    expect(mayReplace(set(1), set(2))).toBe(true);
    expect(mayReplace(set(2), set(1))).toBe(false);
    expect(mayReplace(set(2, [ONE]), set(1, [ONE, TWO]))).toBe(false);
  });

  it('(54) is the same if it says the same, however it is written; otherwise its version must be another one', () => {
    expect(mayReplace(set(3), readKeySet(JSON.stringify(JSON.parse(textOf([ONE], { version: 3 })), null, 4)))).toBe(true);
    expect(mayReplace(set(3), set(3, [ONE, TWO]))).toBe(false);
    expect(mayReplace(set(3), set(3, [{ ...ONE, revoked: true }]))).toBe(false);
  });
});

it.each([
  ['before', 99, 0, 'not yet valid'],
  ['before, by other clocks not', 99, 1, 'valid'],
  ['at its beginning', 100, 0, 'valid'],
  ['just before its end', 199, 0, 'valid'],
  ['at its end', 200, 0, 'expired'],
  ['at its end, by other clocks not', 200, 1, 'valid'],
])('(46) %s a key is what it is', (_, now, skew, state) => {
  const { one } = readKeySet(textOf([{ ...ONE, nbf: 100, exp: 200 }])).keys;
  expect(keyStateAt(one!, now, skew)).toBe(state);
  expect(keyStateAt({ ...one!, revoked: true }, now, skew)).toBe('revoked');
});

import { createPublicKey, sign } from 'node:crypto';
import { generateKey, type TaskKey } from './generate-key.js';
import { signTask } from './sign-task.js';
import { SignatureError } from './signature-error.js';
import { signerOf, type TaskSigner } from './signer.js';
import type { Definition, SigningContext } from './task-payload.js';

const NOW = 1_800_000_000;
const CONTEXT: SigningContext = {
  audience: 'https://tasks.example.com',
  taskId: 'fN1SbArXTPSVFNUvaOlinQ',
  taskQueueId: 'builds/linux',
  iat: NOW,
  exp: NOW + 3600,
  maxRuns: 1,
};
const KEY = generateKey('EdDSA', { kid: 'creator' });
const P256 = generateKey('ES256');

async function refusalOf(work: () => unknown): Promise<[code: string, detail: string]> {
  try {
    await work();
  } catch (error) {
    if (error instanceof SignatureError) return [error.code, error.detail];
    throw error;
  }
  throw new Error('it was signed');
}
const refused = (definition: unknown, context: Partial<SigningContext> = {}) =>
  refusalOf(() => signTask(signerOf(KEY.privateJwk), { ...CONTEXT, ...context }, definition as Definition));

describe('a definition', () => {
  class Moment {}
  const itself: Record<string, unknown> = {};
  itself.itself = itself;

  it.each<[string, unknown, RegExp]>([
    ['(14) a lone surrogate', { name: 'x\ud800' }, /definition \.name a lone surrogate/],
    ['(14) a lone surrogate in a name', { '\udfff': 1 }, /a name with a lone surrogate/],
    ['(14) a lone surrogate far within', { a: [{ b: ['\ud83d'] }] }, /\.a \[0\] \.b \[0\] a lone surrogate/],
    ['(11) an integer beyond 2^53', { id: 2 ** 53 }, /\.id an integer beyond 2\^53/],
    ['(11) a large negative integer', { id: -(2 ** 60) }, /\.id an integer/],
    ['(10) NaN', { ratio: Number.NaN }, /\.ratio NaN is no JSON/],
    ['(10) Infinity', { ratio: Number.POSITIVE_INFINITY }, /Infinity is no JSON/],
    ['(16) __proto__', JSON.parse('{"payload":{"__proto__":{}}}'), /\.payload a member named __proto__/],
    ['(17) 101 levels', { deep: JSON.parse('['.repeat(99) + ']'.repeat(99)) }, /deeper than 100 levels/],
    ['(17) itself', itself, /deeper than 100 levels/],
    ['(10) a date', { created: new Date(0) }, /\.created a Date is no JSON/],
    ['(10) a Map', { tags: new Map([['a', 1]]) }, /a Map is no JSON/],
    ['(10) an object of a class', { payload: new Moment() }, /a Moment is no JSON/],
    ['(10) bytes', { payload: Buffer.from('x') }, /a Buffer is no JSON/],
    ['(10) a bigint', { id: 1n }, /of type bigint/],
    ['(10) a function', { toJSON: () => ({}) }, /of type function/],
    ['(10) a hole', { list: Object.assign([1], { 2: 2 }) }, /\.list \[1\] a value of type undefined/],
    ['(10) undefined in a list', { list: [undefined] }, /\[0\] a value of type undefined/],
    ['(19) no object', 'x', /definition must be a JSON object/],
    ['(19) null', null, /definition must be a JSON object/],
    ['(19) a list', [], /definition must be a JSON object/],
    ['(36) for another task queue', { taskQueueId: 'builds/mac' }, /taskQueueId of its definition is another one/],
  ])('%s is not signed', async (_, definition, says) => {
    expect(await refused(definition)).toEqual(['signature-payload-invalid', expect.stringMatching(says)]);
  });

  it('(63) that is refused is not quoted', async () => {
    const [, detail] = await refused({ payload: { token: 'hunter2', other: 'hunter2\ud800' } });
    expect(detail).not.toContain('hunter2');
  });

  it('(18) that nobody would read for its length is not signed', async () => {
    expect(await refused({ extra: 'x'.repeat(786_432) })).toEqual(['signature-malformed', expect.stringContaining('1048576 characters')]);
  });
});

it.each<[string, Partial<Record<keyof SigningContext, unknown>>]>([
  ['(35) no taskId', { taskId: undefined }],
  ['(35) a taskId that is none', { taskId: 'fN1SbArXTPSVFNUvaOlinQ/0' }],
  ['(36) no task queue', { taskQueueId: '' }],
  ['(36) half a task queue', { taskQueueId: 'builds' }],
  ['(37) no audience', { audience: '' }],
  ['(38) no runs', { maxRuns: 0 }],
  ['(38) half a run', { maxRuns: 1.5 }],
  ['(38) more runs than there are', { maxRuns: 1002 }],
  ['(39) milliseconds', { exp: NOW * 1000 }],
  ['(39) an end before its beginning', { exp: NOW }],
  ['(39) parts of seconds', { iat: NOW + 0.5 }],
  ['(39) no end', { exp: undefined }],
])('%s: is not signed', async (_, context) => {
  expect(await refused({}, context as Partial<SigningContext>)).toEqual(['signature-payload-invalid', expect.any(String)]);
});

describe('a signer', () => {
  const keyOf = (key: TaskKey, more: object = {}) => ({ ...key.privateJwk, ...more });
  const other = generateKey('EdDSA');
  const otherP256 = generateKey('ES256');

  it.each<[string, unknown, RegExp]>([
    ['(45) no object', null, /not a JSON object/],
    ['(45) a list', [], /not a JSON object/],
    ['(45) no kid', keyOf(KEY, { kid: undefined }), /no kid/],
    ['(45) no alg', keyOf(KEY, { alg: undefined }), /alg that is not one of EdDSA, ES256/],
    ['(45) ES512', keyOf(KEY, { alg: 'ES512' }), /alg that is not one of/],
    ['(34) Ed25519', keyOf(KEY, { alg: 'Ed25519' }), /alg that is not one of/],
    ['(45) HS256', { kty: 'oct', k: 'AAAA', kid: 'one', alg: 'HS256' }, /alg that is not one of/],
    ['(45) a public key', KEY.publicJwk, /is not private/],
    ['(45) a short secret', keyOf(KEY, { d: 'AAAA' }), /is not private/],
    ['(45) use enc', keyOf(KEY, { use: 'enc' }), /not for signatures/],
    ['(45) the alg of another kind', keyOf(KEY, { alg: 'ES256' }), /no key for ES256/],
    ['(26) two halves of different keys', keyOf(KEY, { x: other.publicJwk.x }), /two halves/],
    ['(26) two halves of different keys, ES256', keyOf(P256, { x: otherP256.publicJwk.x, y: otherP256.publicJwk.y }), /two halves/],
  ])('of %s is none', async (_, jwk, says) => {
    const [code, detail] = await refusalOf(() => signerOf(jwk));
    expect([code, detail]).toEqual(['keyset-invalid', expect.stringMatching(says)]);
    for (const key of [KEY, P256]) expect(detail).not.toContain(String(key.privateJwk.d));
  });

  it('(53) does not tell its key', () => {
    const signer = signerOf(KEY.privateJwk);
    expect(Object.keys(signer).sort()).toEqual(['alg', 'kid', 'sign']);
    expect(JSON.stringify(signer)).toBe('{"kid":"creator","alg":"EdDSA"}');
  });

  it('(21) that answers DER, as KMSs do, is told so', async () => {
    const key = createPublicKey({ key: P256.publicJwk, format: 'jwk' });
    expect(key.asymmetricKeyType).toBe('ec');
    const der: TaskSigner = {
      kid: 'kms',
      alg: 'ES256',
      sign: async (bytes) => sign('sha256', bytes, { key: P256.privateJwk, format: 'jwk' }),
    };
    expect(await refusalOf(() => signTask(der, CONTEXT, {}))).toEqual(['signature-check-error', expect.stringMatching(/no DER/)]);
  });
});

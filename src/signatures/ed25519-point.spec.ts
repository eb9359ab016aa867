import { createPublicKey, verify } from 'node:crypto';
import { generateKey } from './generate-key.js';
import { readKeySet } from './key-set.js';

const PRIME = 2n ** 255n - 19n;
const keyOf = (x: Buffer) => ({ kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') });
const read = (x: Buffer) => readKeySet(JSON.stringify({ version: 1, keys: [{ ...keyOf(x), kid: 'one', alg: 'EdDSA' }] }));

/** A number in 32 bytes, the least first. The last bit is the sign of the other coordinate. */
const bytesOf = (number: bigint) => Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse();
const withSign = (number: bigint) => bytesOf(number | (1n << 255n));

const ORDER_8 = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
];

it('(45) OpenSSL takes a key for which anybody can sign', () => {
  const key = createPublicKey({ key: keyOf(bytesOf(1n)), format: 'jwk' });
  const forged = Buffer.concat([bytesOf(1n), bytesOf(0n)]);
  expect(verify(null, Buffer.from('whatever'), key, forged)).toBe(true);
});

it.each([
  ...[0n, 1n, PRIME - 1n].flatMap((y) => [bytesOf(y), withSign(y)]),
  ...ORDER_8.flatMap((hex) => [Buffer.from(hex, 'hex'), withSign(BigInt(`0x${Buffer.from(hex, 'hex').reverse().toString('hex')}`))]),
])('(45) a key for which anybody can sign is refused: no. %#', (x) => {
  expect(() => read(x)).toThrow(/^keyset-invalid: .*key one is no key: anybody could sign by it/);
});

it.each([PRIME, PRIME + 1n, PRIME + 3n, PRIME + 18n])('(45) a second spelling of a key is refused: no. %#', (y) => {
  for (const x of [bytesOf(y), withSign(y)]) expect(() => read(x)).toThrow(/^keyset-invalid: .*key one is no key: x is in a spelling/);
});

it('(45) keys that were made are taken', () => {
  for (let nth = 0; nth < 200; nth++) {
    const { x } = generateKey('EdDSA').publicJwk as { x?: string };
    expect(read(Buffer.from(x!, 'base64url')).keys.one?.alg).toBe('EdDSA');
  }
});

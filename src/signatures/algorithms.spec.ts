import { createHash, createPublicKey } from 'node:crypto';
import { verifiesBytes } from './algorithms.js';
import { canonicalJson } from './canonical-json.js';
import { readKeySet } from './key-set.js';

/* Vectors of buildkite/go-pipeline (MIT), by keys that its authors have published. Their JWS is detached; what is under it is made alike. */

const VALUES = {
  command: 'llamas',
  env: { CONTEXT: 'cats', DEPLOY: '0' },
  matrix: null,
  plugins: [
    { 'github.com/buildkite-plugins/some-plugin-buildkite-plugin#v1.0.0': null },
    { 'github.com/buildkite-plugins/another-plugin-buildkite-plugin#v3.4.5': { llama: 'Kuzco' } },
  ],
  repository_url: 'fake-repo',
};

const P256 = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETbursv8d9C1Fa/89/d2FqSo2sw/z
eke9F0IWiOKGJuuXENVcp8U5FfxStK9sKVH4tPMCpVNPNr1pMa/3NFVlLA==
-----END PUBLIC KEY-----
`;

const VECTORS = [
  {
    alg: 'EdDSA',
    jwk: { kty: 'OKP', crv: 'Ed25519', x: '1qWvxwM10mDkEp1iKU2ODZqaxYkIW6qCiuaJEV1JWrY' },
    digest: '6962436b8400032b22ab607cd652dc749b44b2210b3aa7ee486bcb94f6cd58d5',
    value:
      'eyJhbGciOiJFZERTQSIsImtpZCI6IlRFU1RfRE9fTk9UX1VTRSJ9..VvC3kr18HKN8me3NvSJcG6m-Kco54n-088kq8bqF5eNIZVqbtuMhIzw_pp8UltASUvUcEypPnZJ3eYjzOeIVDQ',
  },
  {
    alg: 'ES256',
    jwk: createPublicKey(P256).export({ format: 'jwk' }),
    digest: '8558e4bf6ddb40780badb13ee43704e10add4cbfa59d58f274ee242bf05d655c',
    value: 'eyJhbGciOiJFUzI1NiJ9..Op5KSww95n5s1b9jz0Me5UGqUQPcHzEIFvkWTB_yEv6qEDnnFUO1XsC5592fQoAcB0VnPnHaK31iSiCypREIdA',
  },
];

it.each(VECTORS)('(74) the published vector of $alg verifies, and no other payload under it', ({ alg, jwk, digest, value }) => {
  const { one } = readKeySet(JSON.stringify({ version: 1, keys: [{ ...jwk, alg, kid: 'one' }] })).keys;
  const [header, , signature] = value.split('.') as [string, string, string];
  const verifies = (payload: string) =>
    verifiesBytes(one!, Buffer.from(`${header}.${Buffer.from(payload).toString('base64url')}`), Buffer.from(signature, 'base64url'));
  const payload = canonicalJson({ alg, values: VALUES });
  expect(createHash('sha256').update(payload).digest('hex')).toBe(digest);
  expect(verifies(payload)).toBe(true);
  expect(verifies(payload.replace('llamas', 'alpaca'))).toBe(false);
  expect(verifies(payload.replace(alg, 'HS512'))).toBe(false);
});

it('(74) the thumbprint is that which their agent logs', () => {
  const { jwk, alg } = VECTORS[0]!;
  const { one } = readKeySet(JSON.stringify({ version: 1, keys: [{ ...jwk, alg, kid: 'one' }] })).keys;
  expect(Buffer.from(one!.thumbprint, 'base64url').toString('hex')).toBe(
    'b980fd29ed13b386986f5fd274ca9db09e840bf3c567a32b97f12addec2cd8df',
  );
});

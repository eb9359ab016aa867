import { esSignature, forged, hashOf, maced, type Pen, part, signatureOf } from './forge.js';
import type { Pens } from './hostile-tokens.js';
import { HERE } from './task-tokens.js';

/** A request for which somebody makes a proof. */
export interface Asked {
  /** What the key's holder would have sent. */
  header: Record<string, unknown>;
  claims: Record<string, unknown> & { htu: string; iat: number };
  pen: Pen;
  /** The token that comes with it, or that it is for. */
  token: string;
  /** Where the service was called, which is not what it calls itself. */
  called: string;
  pens: Pens;
}

export type ProofRow = [name: string, make: (asked: Asked) => string | Promise<string>, says: RegExp, of?: 'a token'];

const OCT = { kty: 'oct', k: part('canary') };

const OF_KEY = /^The jwk of the DPoP proof must be a public key/;
const OF_HEADER = /^The header of the DPoP proof must have alg, jwk, typ and nothing else/;
const OF_ALG = /^The alg of the DPoP proof must be one of/;
const OF_SIGNATURE = /^The signature of the DPoP proof is not valid/;
const OF_URL = /^The htu of the DPoP proof must be/;

const proofWith =
  (header: object, claims: object | ((asked: Asked) => object) = {}) =>
  (asked: Asked) =>
    forged({ ...asked.header, ...header }, { ...asked.claims, ...(typeof claims === 'function' ? claims(asked) : claims) }, asked.pen);

export const HOSTILE_PROOFS: ProofRow[] = [
  ['alg none', ({ header, claims }) => `${part({ ...header, alg: 'none' })}.${part(claims)}.${part('x')}`, OF_ALG],
  ['alg none without a signature', ({ header, claims }) => `${part({ ...header, alg: 'none' })}.${part(claims)}.`, /is not base64url/],
  ...['None', 'ES256K', 'dir', 'HS512', null, 17].map((alg): ProofRow => [`alg ${JSON.stringify(alg)}`, proofWith({ alg }), OF_ALG]),
  ['HS256 by the public key', ({ header, claims }) => maced({ ...header, alg: 'HS256' }, claims, JSON.stringify(header.jwk)), OF_ALG],
  [
    'HS256 by a key of its own',
    ({ claims }) => maced({ alg: 'HS256', typ: 'dpop+jwt', jwk: OCT } as { alg: string }, claims, 'canary'),
    OF_ALG,
  ],
  ['a symmetric key that says ES256', proofWith({ jwk: OCT }), OF_KEY],
  [
    'the private key, too',
    ({ header, claims, pen }) => forged({ ...header, jwk: pen.privateKey.export({ format: 'jwk' }) }, claims, pen),
    OF_KEY,
  ],
  ['a certificate, too', ({ header, claims, pen }) => forged({ ...header, jwk: { ...pen.jwk, x5c: ['canary'] } }, claims, pen), OF_KEY],
  ['a key that is none', proofWith({ jwk: 'canary' }), OF_KEY],
  [
    'a key that is not on the curve',
    ({ header, claims, pen }) => forged({ ...header, jwk: { ...pen.jwk, x: pen.jwk.y } }, claims, pen),
    /^The jwk of the DPoP proof is not a key/,
  ],
  ['no key', proofWith({ jwk: undefined }), OF_HEADER],
  ['a kid for the key', proofWith({ jwk: undefined, kid: 'canary' }), OF_HEADER],
  ['a jku for the key', proofWith({ jwk: undefined, jku: 'https://canary.example' }), OF_HEADER],
  ['a kid beside the key', proofWith({ kid: 'canary' }), OF_HEADER],
  ['crit', proofWith({ crit: ['b64'], b64: false }), OF_HEADER],
  ...['JWT', 'at+jwt', 'DPOP+JWT', 'application/dpop+jwt', ''].map(
    (typ): ProofRow => [`typ ${typ}`, proofWith({ typ }), /^The typ of the DPoP proof/],
  ),
  [
    'a key twice',
    ({ header, claims, pen }) => forged(JSON.stringify(header).replace('{', '{"typ":"dpop+jwt",'), claims, pen),
    /has a key twice/,
  ],
  [
    'a claim twice',
    ({ header, claims, pen }) => forged(header, JSON.stringify(claims).replace('{', '{"htm":"canary",'), pen),
    /has a key twice/,
  ],
  ['signed by another key', ({ header, claims, pens }) => forged(header, claims, pens.stranger), OF_SIGNATURE],
  ['signed by nobody', ({ header, claims }) => `${part(header)}.${part(claims)}.${esSignature(0n, 0n)}`, OF_SIGNATURE],
  [
    'signed in DER',
    ({ header, claims, pen }) => {
      const text = `${part(header)}.${part(claims)}`;
      return `${text}.${signatureOf(text, pen, 'der').toString('base64url')}`;
    },
    OF_SIGNATURE,
  ],
  ['signed by the service', ({ header, claims, pens }) => forged(header, claims, pens.es), OF_SIGNATURE],
  ['another method', proofWith({}, { htm: 'DELETE' }), /^The htm of the DPoP proof/],
  ['the method in small letters', proofWith({}, ({ claims }) => ({ htm: String(claims.htm).toLowerCase() })), /^The htm of the DPoP proof/],
  ['no method', proofWith({}, { htm: undefined }), /^The htm of the DPoP proof/],
  ...(
    [
      ['another path', (htu) => `${htu}x`],
      ['another host', (htu) => htu.replace(HERE, 'https://canary.example')],
      ['the host that was called', (htu, called) => htu.replace(HERE, called)],
      ['another scheme', (htu) => htu.replace('https', 'http')],
      ['another port', (htu) => htu.replace(HERE, `${HERE}:8443`)],
      ['somebody before the host', (htu) => htu.replace('://', '://canary@')],
      ['a query', (htu) => `${htu}?canary=1`],
      ['a fragment', (htu) => `${htu}#canary`],
      ['a path alone', (htu) => htu.slice(HERE.length)],
      ['a line feed', (htu) => `${htu}\n`],
    ] as [string, (htu: string, called: string) => string][]
  ).map(([name, change]): ProofRow => [name, proofWith({}, ({ claims, called }) => ({ htu: change(claims.htu, called) })), OF_URL]),
  ['two URLs', proofWith({}, ({ claims }) => ({ htu: [claims.htu] })), OF_URL],
  ['no ath', proofWith({}, { ath: undefined }), /^The ath of the DPoP proof/, 'a token'],
  ['the ath of another token', proofWith({}, ({ pens }) => ({ ath: hashOf(pens.another.token) })), /^The ath of the DPoP proof/, 'a token'],
  [
    'the ath in hexadecimal',
    proofWith({}, ({ token }) => ({ ath: Buffer.from(hashOf(token), 'base64url').toString('hex') })),
    /^The ath of the DPoP proof/,
    'a token',
  ],
  ['an hour old', proofWith({}, ({ claims }) => ({ iat: claims.iat - 3_600 })), /^The DPoP proof is older/],
  ['a little too old', proofWith({}, ({ claims }) => ({ iat: claims.iat - 62 })), /^The DPoP proof is older/],
  ['from the future', proofWith({}, ({ claims }) => ({ iat: claims.iat + 75 })), /^The DPoP proof was made in the future/],
  ['in milliseconds', proofWith({}, ({ claims }) => ({ iat: claims.iat * 1000 })), /^The DPoP proof was made in the future/],
  ...[undefined, null, '1764000000', true].map((iat): ProofRow => [`iat ${iat}`, proofWith({}, { iat }), /^The iat of the DPoP proof/]),
  ...[undefined, null, 17, '', 'x'.repeat(257)].map(
    (jti): ProofRow => [`jti ${jti}`.slice(0, 20), proofWith({}, { jti }), /^The jti of the DPoP proof/],
  ),
  ['the token itself', ({ token }) => token, OF_HEADER],
  ['nothing', () => '', /parts/],
  ['a word', () => 'canary', /parts/],
  ['9 KiB', proofWith({}, { x: 'x'.repeat(7_000) }), /^The DPoP proof is longer than/],
  ['JSON', ({ header, claims }) => JSON.stringify({ protected: part(header), payload: part(claims), signature: 'x' }), /parts/],
];

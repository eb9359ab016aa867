import { createHash } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import { readCompactJws, verifySignature } from './compact-jws.js';
import { TokenError } from './token-error.js';

/** What a proof may be signed by; and what a 401 says of that. Nothing symmetric: that key would have to be shared. */
export const PROOF_ALGS = ['ES256', 'ES384', 'ES512', 'PS256', 'RS256', 'EdDSA', 'Ed25519'];

/** Characters. */
const LONGEST_PROOF = 8 * 1024;

/** How far the clock of whoever made a proof may be from ours, either way, in seconds. */
export const PROOF_SKEW = 60;

/** Bits of an RSA modulus: below it is no proof, above it costs us much and its sender nothing. */
const RSA_BITS = { least: 2048, most: 4096 };

/** The members that make the key; of others only those that change nothing may stand beside them. */
const KEY_MEMBERS: Record<string, readonly string[]> = { EC: ['crv', 'x', 'y'], RSA: ['n', 'e'], OKP: ['crv', 'x'] };
const HARMLESS = ['kty', 'alg', 'use', 'kid', 'key_ops', 'ext'];

/** The request that a proof came with. */
export interface ProofTerms {
  method: string;
  /** As clients know it; any of several. Without query. */
  urls: readonly string[];
  /** The token that came with it, if one did. */
  token?: string;
  /** Our clock, unix seconds. */
  now: number;
}

/** A proof of possession that is good, if it comes for the first time: `id` is never that of another proof. */
export interface Proof {
  /** The thumbprint of the key (RFC 7638). */
  jkt: string;
  id: Buffer;
}

/** Checks a proof by RFC 9449, 4.3, all but whether it was seen before. Throws TokenError. */
export async function verifyProof(text: string, terms: ProofTerms): Promise<Proof> {
  const form = { name: 'DPoP proof', atMost: LONGEST_PROOF, members: ['alg', 'jwk', 'typ'], type: 'dpop+jwt' };
  const { header, payload } = readCompactJws(text, form);
  const { alg } = header;
  if (typeof alg !== 'string' || !PROOF_ALGS.includes(alg))
    throw new TokenError('algorithm', `The alg of the DPoP proof must be one of ${PROOF_ALGS.join(', ')}`);
  const jwk = publicKeyOf(header.jwk);
  await verifySignature(text, 'DPoP proof', await imported(jwk, alg), alg);
  assertFor(payload, terms);
  const jkt = await calculateJwkThumbprint(jwk);
  // under the key: nobody else can use up a proof's id
  return { jkt, id: createHash('sha256').update(`${jkt} ${payload.jti}`).digest() };
}

/** What of a key is public, and nothing else of it. Throws TokenError for one that brings its secret. */
function publicKeyOf(value: unknown): JWK {
  const jwk = new Map(typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []);
  const members = KEY_MEMBERS[String(jwk.get('kty'))] ?? [];
  const strange = [...jwk.keys()].filter((name) => !members.includes(name) && !HARMLESS.includes(name));
  if (members.length === 0 || strange.length > 0 || !members.every((name) => typeof jwk.get(name) === 'string'))
    throw new TokenError(
      'key',
      'The jwk of the DPoP proof must be a public key of type EC, RSA or OKP, with no secret, and no certificate',
    );
  if (jwk.get('kty') === 'RSA') assertModulus(jwk.get('n'));
  return Object.fromEntries(['kty', ...members].map((name) => [name, jwk.get(name)])) as JWK;
}

function assertModulus(modulus: string): void {
  const bits = Buffer.from(modulus, 'base64url').length * 8;
  if (bits >= RSA_BITS.least && bits <= RSA_BITS.most) return;
  throw new TokenError('key', `The RSA key of the DPoP proof must have ${RSA_BITS.least} to ${RSA_BITS.most} bits`);
}

async function imported(jwk: JWK, alg: string): Promise<CryptoKey> {
  try {
    return (await importJWK(jwk, alg, { extractable: false })) as CryptoKey; // a Uint8Array is of a symmetric one only
  } catch (cause) {
    throw new TokenError('key', `The jwk of the DPoP proof is not a key for ${alg}`, { cause });
  }
}

function assertFor({ htm, htu, iat, jti, ath }: Record<string, unknown>, { method, urls, token, now }: ProofTerms): void {
  if (typeof jti !== 'string' || jti.length < 1 || jti.length > 256)
    throw new TokenError('claims', 'The jti of the DPoP proof must be a text of 1 to 256 characters, another one for each proof');
  if (htm !== method) throw new TokenError('method', `The htm of the DPoP proof must be ${method}`);
  if (typeof htu !== 'string' || !urls.some((url) => sameUrl(htu, url)))
    throw new TokenError('url', `The htu of the DPoP proof must be ${urls.join(' or ')}, without query and fragment`);
  if (!Number.isFinite(iat)) throw new TokenError('claims', 'The iat of the DPoP proof must be a number');
  if ((iat as number) < now - PROOF_SKEW)
    throw new TokenError('expired', `The DPoP proof is older than ${PROOF_SKEW} seconds; make one for each request`);
  if ((iat as number) > now + PROOF_SKEW) throw new TokenError('not-yet-valid', 'The DPoP proof was made in the future; set the clock');
  if (token !== undefined && ath !== createHash('sha256').update(token).digest('base64url'))
    throw new TokenError('token-hash', 'The ath of the DPoP proof must be the SHA-256 of the token, in base64url');
}

function sameUrl(given: string, expected: string): boolean {
  return !/[?#\\]|[^\x21-\x7e]/.test(given) && URL.canParse(given) && normalized(given) === normalized(expected);
}

/** Syntax and scheme (RFC 3986, 6.2.2 and 6.2.3): lower-case host, no default port, %2f as %2F. */
function normalized(url: string): string {
  return new URL(url).href.replace(/%[0-9a-f]{2}/gi, (octet) => octet.toUpperCase());
}

import { createPrivateKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { isSigningAlg, publicKeyOf, SIGNING_ALGS, type SigningAlg, signBytes, strictBase64url, verifiesBytes } from './algorithms.js';
import { SignatureError } from './signature-error.js';
import { isKid } from './verification-key.js';

/**
 * Who signs: all that signing needs to know of a key, wherever that is. The signature is as RFC 7518 has it, 64 bytes for both algorithms:
 * of ES256 r and s one after the other, where a KMS may answer DER.
 */
export interface TaskSigner {
  readonly kid: string;
  readonly alg: SigningAlg;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** A signer by a private key in our hands. Throws SignatureError, without a byte of the key. The key cannot be had from the signer again. */
export function signerOf(privateJwk: unknown): TaskSigner {
  if (typeof privateJwk !== 'object' || privateJwk === null || Array.isArray(privateJwk)) throw refused('it is not a JSON object');
  const jwk = privateJwk as Record<string, unknown>;
  const { kid, alg, use } = jwk;
  if (!isKid(kid)) throw refused('it has no kid');
  if (!isSigningAlg(alg)) throw refused(`key ${kid} has an alg that is not one of ${SIGNING_ALGS.join(', ')}, by which we sign`);
  if (use !== undefined && use !== 'sig') throw refused(`key ${kid} is not for signatures (use is not sig)`);
  if (strictBase64url(jwk.d)?.length !== 32) throw refused(`key ${kid} is not private: its d is missing, or not 32 bytes`);
  const key = usable(alg, jwk, kid);
  return Object.freeze({ kid, alg, sign: async (bytes: Uint8Array) => signBytes(alg, key, bytes) });
}

/** Node takes the halves of two different keys as one. Such a file would sign what nobody can verify, so both are tried. */
function usable(alg: SigningAlg, jwk: Record<string, unknown>, kid: string): KeyObject {
  try {
    const publicKey = publicKeyOf(alg, jwk);
    const key = createPrivateKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
    const probe = Buffer.from('leasehold');
    if (verifiesBytes(publicKey, probe, signBytes(alg, key, probe))) return key;
  } catch {
    // said below; what was thrown may quote the key
  }
  throw refused(`key ${kid} is no key for ${alg}, or its two halves are of different keys`);
}

const refused = (what: string) => new SignatureError('keyset-invalid', `The private key is refused: ${what}`);

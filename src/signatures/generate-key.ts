import { generateKeyPairSync } from 'node:crypto';
import { publicKeyOf, type SigningAlg } from './algorithms.js';

/** What is said of a key in a key set, beside the key. */
export interface KeyTerms {
  /** By default its thumbprint (RFC 7638), so that no two keys have the same. */
  kid?: string;
  owner?: string;
  nbf?: number;
  exp?: number;
  taskQueues?: readonly string[];
}

/** Both halves as JWKs. The private one is a secret, and says only what a signer needs; the terms are for verifiers. */
export interface TaskKey {
  privateJwk: Record<string, unknown>;
  publicJwk: Record<string, unknown> & { kid: string };
}

/** A new key. */
export function generateKey(alg: SigningAlg, { kid, ...terms }: KeyTerms = {}): TaskKey {
  const { d, ...half } = (
    alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  ).privateKey.export({ format: 'jwk' });
  const named = { ...half, alg, use: 'sig', kid: kid ?? publicKeyOf(alg, half).thumbprint };
  return { privateJwk: { ...named, d }, publicJwk: { ...named, ...terms } };
}

import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';

/** ES256 is what every verifier takes that is kept up, RS256 what the clouds take that are not. The first one is the default. */
export const SIGNING_ALGS = ['ES256', 'RS256'] as const;
export type SigningAlg = (typeof SIGNING_ALGS)[number];

/** A public key as it is published (RFC 7517). */
export interface PublicJwk extends JWK {
  kty: string;
  use: 'sig';
  alg: SigningAlg;
  /** The key's thumbprint (RFC 7638): so an id never names two keys. */
  kid: string;
}

/** A key pair that can be stored. */
export interface StorableKey {
  publicJwk: PublicJwk;
  /** The secret. */
  privateJwk: JWK;
}

/** A key pair that can be used; neither half tells its secret any more. */
export interface UsableKey {
  publicJwk: PublicJwk;
  publicKey: CryptoKey;
  privateKey: CryptoKey;
}

const RSA_BITS = 2048;

export async function generateSigningKey(alg: SigningAlg): Promise<StorableKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: RSA_BITS });
  const privateJwk = await exportJWK(privateKey);
  return { publicJwk: await publicHalf(alg, privateJwk), privateJwk };
}

/** Of what was stored only the private half is asked: nobody can slip another public one in beside it. Throws unless it is of that algorithm. */
export async function usableKey(alg: SigningAlg, privateJwk: JWK): Promise<UsableKey> {
  const publicJwk = await publicHalf(alg, privateJwk);
  const [publicKey, privateKey] = await Promise.all([publicJwk, privateJwk].map((jwk) => importJWK(jwk, alg, { extractable: false })));
  return { publicJwk, publicKey: publicKey as CryptoKey, privateKey: privateKey as CryptoKey };
}

/** Named field by field: what is left out by mistake is missing, what is let through by mistake would be the secret. */
export async function publicHalf(alg: SigningAlg, { kty, crv, x, y, n, e }: JWK): Promise<PublicJwk> {
  const jwk = alg === 'ES256' ? { kty: 'EC', crv, x, y } : { kty: 'RSA', n, e };
  if (kty !== jwk.kty) throw new Error(`a key of type ${kty} does not sign ${alg}`);
  return { ...jwk, use: 'sig', alg, kid: await calculateJwkThumbprint(jwk as JWK) };
}

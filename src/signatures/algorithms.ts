import { constants, createHash, createPublicKey, type JsonWebKeyInput, type KeyObject, sign, verify } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import { pointProblem } from './ed25519-point.js';

interface Algorithm {
  kty: 'OKP' | 'EC' | 'RSA';
  crv?: string;
  /** The members that make the public key, beside kty and crv. */
  members: readonly string[];
  /** Bytes of each of those, and of a signature; of RSA they are as many as the modulus has. */
  memberBytes?: number;
  signatureBytes?: number;
  hash: 'sha256' | 'sha512' | null;
}

/**
 * Each key has one of these, and says which. Nothing symmetric (who verifies could sign), nothing with PKCS #1 v1.5. The last two are for
 * keys that others made: their signatures differ from one time to the next and are larger, for nothing.
 */
const ALGORITHMS = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519', members: ['x'], memberBytes: 32, signatureBytes: 64, hash: null },
  ES256: { kty: 'EC', crv: 'P-256', members: ['x', 'y'], memberBytes: 32, signatureBytes: 64, hash: 'sha256' },
  ES512: { kty: 'EC', crv: 'P-521', members: ['x', 'y'], memberBytes: 66, signatureBytes: 132, hash: 'sha512' },
  PS512: { kty: 'RSA', members: ['n', 'e'], hash: 'sha512' },
} as const satisfies Record<string, Algorithm>;

export type VerifyingAlg = keyof typeof ALGORITHMS;
export const VERIFYING_ALGS = Object.keys(ALGORITHMS) as VerifyingAlg[];

/** What we sign by ourselves. */
export const SIGNING_ALGS = ['EdDSA', 'ES256'] as const satisfies VerifyingAlg[];
export type SigningAlg = (typeof SIGNING_ALGS)[number];

export const isVerifyingAlg = (alg: unknown): alg is VerifyingAlg => VERIFYING_ALGS.includes(alg as VerifyingAlg);
export const isSigningAlg = (alg: unknown): alg is SigningAlg => SIGNING_ALGS.includes(alg as SigningAlg);

/** Members of keys of any kind that are, or tell, the secret. */
export const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

const RSA_BITS = { least: 2048, most: 4096 };

/** A public key, ready for use. */
export interface PublicKey {
  alg: VerifyingAlg;
  key: KeyObject;
  /** RFC 7638, SHA-256, base64url. */
  thumbprint: string;
}

/** Made of the members that make the key, and no others. Throws TypeError; the message has no byte of the key. */
export function publicKeyOf(alg: VerifyingAlg, jwk: Record<string, unknown>): PublicKey {
  const { kty, crv, members, memberBytes }: Algorithm = ALGORITHMS[alg];
  if (jwk.kty !== kty || jwk.crv !== crv) throw new TypeError(`a key for ${alg} has kty ${kty}${crv ? ` and crv ${crv}` : ''}`);
  const bytes = members.map((member) => bytesOf(jwk[member], member));
  if (memberBytes !== undefined && bytes.some(({ length }) => length !== memberBytes))
    throw new TypeError(`${members.join(' and ')} must have ${memberBytes} bytes`);
  const problem = alg === 'EdDSA' ? pointProblem(bytes[0]!) : undefined;
  if (problem !== undefined) throw new TypeError(problem);
  const made = Object.fromEntries(['kty', ...(crv ? ['crv'] : []), ...members].map((name) => [name, jwk[name]]));
  const thumbprint = createHash('sha256').update(canonicalJson(made)).digest('base64url');
  const key = imported(made);
  if (alg === 'PS512') assertRsa(bytes, key);
  return { alg, key, thumbprint };
}

/** With zeros in front a short modulus looks long, and one key has two thumbprints (RFC 7518, 6.3.1.1). */
function assertRsa([modulus, exponent]: Buffer[], { asymmetricKeyDetails }: KeyObject): void {
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < RSA_BITS.least || bits > RSA_BITS.most) throw new TypeError(`an RSA key has ${RSA_BITS.least} to ${RSA_BITS.most} bits`);
  if (modulus![0] === 0) throw new TypeError('n begins with a byte that is zero; leave it out');
  if (exponent!.toString('hex') !== '010001') throw new TypeError('the exponent of an RSA key is AQAB');
}

function imported(jwk: Record<string, unknown>): KeyObject {
  try {
    return createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
  } catch {
    throw new TypeError('no such point is on the curve'); // lengths and names are right
  }
}

function bytesOf(value: unknown, member: string): Buffer {
  const bytes = strictBase64url(value);
  if (bytes === undefined) throw new TypeError(`${member} is missing, or not base64url`);
  return bytes;
}

/** Only the one spelling that encoders make: no padding, no line ends, no stray bits at the end. Never empty. */
export function strictBase64url(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** The algorithm is the key's; what a header says has no part in it. */
export function verifiesBytes({ alg, key }: Pick<PublicKey, 'alg' | 'key'>, bytes: Buffer, signature: Buffer): boolean {
  const { hash, signatureBytes }: Algorithm = ALGORITHMS[alg];
  if (signatureBytes !== undefined && signature.length !== signatureBytes) return false; // Node would say so, too, of DER
  return verify(hash, bytes, keyInput(key), signature);
}

export function signBytes(alg: SigningAlg, privateKey: KeyObject, bytes: Uint8Array): Buffer {
  return sign(ALGORITHMS[alg].hash, bytes, keyInput(privateKey));
}

/** How RFC 7518 has it: r and s one after the other, and a salt as long as the hash. Each kind of key reads its own part of it. */
function keyInput(key: KeyObject) {
  if (key.asymmetricKeyType !== 'rsa') return { key, dsaEncoding: 'ieee-p1363' as const };
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

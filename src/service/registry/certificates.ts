import { createPublicKey, randomBytes } from 'node:crypto';
import type * as X509 from '@peculiar/x509';
import type { CryptoKey, JWK } from 'jose';

/** A key that certifies others, and its own certificate, in PEM. */
export interface Root {
  certificate: string;
  privateKey: CryptoKey;
}

const MINUTE = 60_000;
const YEAR = 365 * 24 * 60 * MINUTE;

/** To renew it every registry has to be configured and started anew. */
const ROOT_LIFE = 20 * YEAR;

/** Long against the life of a token, and as short as can be: see `certify`. */
export const LEAF_LIFE = 60 * MINUTE;

/** Registries whose clock is behind ours, and that allow for it, shall not find the certificate in the future. */
const BACKDATED = 10 * MINUTE;

const ECDSA = { name: 'ECDSA', hash: 'SHA-256' };

/**
 * The certificate by which registries know us, in PEM. `now`: unix milliseconds. It may certify keys, and nothing that certifies others.
 */
export async function rootCertificate(name: string, publicJwk: JWK, privateKey: CryptoKey, now: number): Promise<string> {
  const x509 = await library();
  const publicKey = publicKeyOf(x509, publicJwk);
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ subject: nameOf(x509, name), issuer: nameOf(x509, name), serialNumber: serialNumber() },
    ...{ notBefore: new Date(now - BACKDATED), notAfter: new Date(now + ROOT_LIFE) },
    ...{ publicKey, signingKey: privateKey as never, signingAlgorithm: ECDSA },
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return inPem(certificate);
}

/**
 * A certificate for a key that signs tokens, as `x5c` has it (base64). Nobody can take one back: registries ask nobody. Whoever gets hold of a
 * leaked key and of a token (the certificate is in each) signs what they like until the certificate ends, also when the key is long called
 * compromised. So it ends within the hour.
 */
export async function certify({ certificate, privateKey }: Root, publicJwk: JWK, now: number): Promise<string> {
  const x509 = await library();
  const root = new x509.X509Certificate(certificate);
  const leaf = await x509.X509CertificateGenerator.create({
    ...{ subject: nameOf(x509, 'Leasehold registry token signer'), issuer: root.subjectName, serialNumber: serialNumber() },
    ...{ notBefore: new Date(now - BACKDATED), notAfter: new Date(now + LEAF_LIFE) },
    ...{ publicKey: publicKeyOf(x509, publicJwk), signingKey: privateKey as never, signingAlgorithm: ECDSA },
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.AuthorityKeyIdentifierExtension.create(root.publicKey),
    ],
  });
  return Buffer.from(leaf.rawData).toString('base64');
}

/**
 * Whether a text is one certificate in PEM, and that of this key, signed by it: what stands beside a secret in the database is believed only then.
 * Readers of PEM take the first of several, and whoever is configured with the text trusts all of them, so it may hold nothing else.
 */
export async function isOf(certificate: string, publicJwk: JWK): Promise<boolean> {
  const x509 = await library();
  const read = new x509.X509Certificate(certificate);
  const isItsOwn = Buffer.from(read.publicKey.rawData).equals(spkiOf(publicJwk)) && (await read.isSelfSigned());
  return isItsOwn && certificate === inPem(read);
}

function inPem(certificate: X509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

/** Loaded when the first one asks: a tenth of a second, which no start of a service without registries should take. */
function library(): Promise<typeof X509> {
  loading ??= import('@peculiar/x509');
  return loading;
}
let loading: Promise<typeof X509> | undefined;

function nameOf(x509: typeof X509, commonName: string): X509.Name {
  return new x509.Name([{ CN: [commonName] }]);
}

function publicKeyOf(x509: typeof X509, jwk: JWK): X509.PublicKey {
  return new x509.PublicKey(new Uint8Array(spkiOf(jwk)));
}

function spkiOf(jwk: JWK): Buffer {
  return createPublicKey({ key: jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

/** Positive, at most 20 bytes (RFC 5280, 4.1.2.2), and never twice. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

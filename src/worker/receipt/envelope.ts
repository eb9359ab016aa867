import { verify } from 'node:crypto';
import { isSigningAlg, type PublicKey, SIGNING_ALGS, verifiesBytes } from '../../signatures/algorithms.js';
import type { TaskSigner } from '../../signatures/signer.js';
import { isKid } from '../../signatures/verification-key.js';
import { ReceiptError } from './receipt-error.js';

export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** Bytes of what is signed. 5 000 artifacts and as many scopes are 2 MiB. */
export const MOST_BYTES = 8 * 1024 * 1024;

/** A DSSE envelope in a sigstore bundle (v0.3), as JSON. Bytes are in base64. */
export interface Bundle {
  mediaType: typeof BUNDLE_TYPE;
  /** By which key: its kid. Nothing is in a transparency log. */
  verificationMaterial: { publicKey: { hint: string } };
  dsseEnvelope: { payload: string; payloadType: typeof PAYLOAD_TYPE; signatures: readonly [{ sig: string; keyid: string }] };
}

/** What an envelope says before anybody has looked whether its signature is good. */
export interface Opened {
  kid: string;
  payload: Buffer;
  signature: Buffer;
}

/** What is signed of a payload (DSSE, v1): its type is under the signature, so a key's signatures of tasks are none of these, nor the other way. */
export function preAuthEncoding(payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload]);
}

/** Signs a payload. Throws ReceiptError for one that nobody would read. */
export async function sealed(payload: Uint8Array, signer: TaskSigner): Promise<Bundle> {
  if (payload.length > MOST_BYTES)
    throw new ReceiptError('receipt-too-large', `The receipt has ${payload.length} bytes; ${MOST_BYTES} are read`);
  const { kid, alg } = signer;
  const raw = await signer.sign(preAuthEncoding(payload));
  const sig = alg === 'ES256' ? derOf(raw) : Buffer.from(raw);
  return {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: { hint: kid } },
    dsseEnvelope: {
      payload: Buffer.from(payload).toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: sig.toString('base64'), keyid: kid }],
    },
  };
}

/** ECDSA signatures are DER here (RFC 3279), where our signers answer r and s one after the other. */
function derOf(raw: Uint8Array): Buffer {
  const numbers = [raw.subarray(0, 32), raw.subarray(32)].map((half) => {
    const first = half.findIndex((byte) => byte !== 0);
    const bytes = half.subarray(first < 0 ? half.length - 1 : first);
    const digits = bytes[0]! >= 0x80 ? [0, ...bytes] : [...bytes]; // the first bit is the sign
    return [0x02, digits.length, ...digits];
  });
  const body = numbers.flat();
  return Buffer.from([0x30, body.length, ...body]);
}

/** Whether a signature is that of the key over the payload. The algorithm is the key's. */
export function verifiesPayload({ alg, key }: Pick<PublicKey, 'alg' | 'key'>, payload: Uint8Array, signature: Buffer): boolean {
  const bytes = preAuthEncoding(payload);
  if (alg !== 'ES256') return verifiesBytes({ alg, key }, bytes, signature);
  return verify('sha256', bytes, { key, dsaEncoding: 'der' }, signature); // no bytes behind it, and no other spelling: OpenSSL looks
}

/** By these alone receipts are signed: other verifiers take them as they are. */
export function assertReceiptAlg({ alg }: Pick<PublicKey, 'alg'>, kid: string): void {
  if (!isSigningAlg(alg))
    throw new ReceiptError('receipt-unknown-key', `Key ${kid} is for ${alg}; receipts are signed by ${SIGNING_ALGS.join(' or ')}`);
}

/** Longer than a signature of any key that signs receipts, in base64. */
const LONGEST_SIGNATURE = 128;

/**
 * Reads a bundle that has the one form: these members and no others, one signature, base64 in its one spelling. So nothing can be hidden in
 * it, and nothing is fetched. Throws ReceiptError.
 */
export function opened(bundle: unknown): Opened {
  const { mediaType, verificationMaterial, dsseEnvelope } = membersOf(bundle, 'it', ['mediaType', 'verificationMaterial', 'dsseEnvelope']);
  if (mediaType !== BUNDLE_TYPE) throw malformed(`its mediaType is not ${BUNDLE_TYPE}`);
  const { publicKey } = membersOf(verificationMaterial, 'verificationMaterial', ['publicKey']);
  const { hint } = membersOf(publicKey, 'publicKey', ['hint']);
  const { payload, payloadType, signatures } = membersOf(dsseEnvelope, 'dsseEnvelope', ['payload', 'payloadType', 'signatures']);
  if (payloadType !== PAYLOAD_TYPE) throw malformed(`its payloadType is not ${PAYLOAD_TYPE}`);
  if (!Array.isArray(signatures) || signatures.length !== 1) throw malformed('it has not just one signature');
  const { sig, keyid } = membersOf(signatures[0], 'the signature', ['sig', 'keyid']);
  if (!isKid(keyid)) throw malformed('its keyid is not 1 to 128 printable ASCII characters without space, " and \\');
  if (hint !== keyid) throw malformed('its hint and its keyid name two keys');
  return { kid: keyid, payload: bytesOf(payload, 'payload', (MOST_BYTES / 3) * 4 + 4), signature: bytesOf(sig, 'sig', LONGEST_SIGNATURE) };
}

function membersOf(value: unknown, place: string, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${place} is not a JSON object`);
  const given = Object.keys(value);
  if (given.length !== names.length || !names.every((name) => Object.hasOwn(value, name)))
    throw malformed(`${place} has not just ${names.join(', ')}`);
  return value as Record<string, unknown>;
}

function bytesOf(text: unknown, name: string, longest: number): Buffer {
  if (typeof text !== 'string' || text === '') throw malformed(`its ${name} is empty, or no text`);
  if (text.length > longest) throw malformed(`its ${name} is longer than ${Math.floor(longest)} characters`);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw malformed(`its ${name} is not base64 as encoders write it`);
  return bytes;
}

const malformed = (what: string) => new ReceiptError('receipt-malformed', `The receipt is malformed: ${what}`);

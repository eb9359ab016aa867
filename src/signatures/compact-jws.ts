import { isVerifyingAlg, strictBase64url, VERIFYING_ALGS, type VerifyingAlg } from './algorithms.js';
import { canonicalJson } from './canonical-json.js';
import { SignatureError } from './signature-error.js';
import { isKid } from './verification-key.js';

/** The `typ` of the header: whatever else the same key has signed cannot be passed off as a task. */
const TYPE = 'leasehold-task+jws';

/** Characters. What is longer is refused unread. */
const LONGEST = 1024 * 1024;

export interface Header {
  alg: VerifyingAlg;
  kid: string;
}

/** What a signature says before anybody has looked whether it is good. */
export interface CompactJws extends Header {
  payload: Buffer;
  /** What the signature is over. */
  signed: Buffer;
  signature: Buffer;
}

/** The first two parts: header and payload. */
export function signingInput({ alg, kid }: Header, payload: string): string {
  const part = (text: string) => Buffer.from(text).toString('base64url');
  return `${part(canonicalJson({ alg, kid, typ: TYPE }))}.${part(payload)}`;
}

/** The whole signature. Throws SignatureError where nobody would read it for its length. */
export function compactJws(input: string, signature: Uint8Array): string {
  const text = `${input}.${Buffer.from(signature).toString('base64url')}`;
  assertLength(text);
  return text;
}

/**
 * Reads a compact JWS (RFC 7515, 7.1) that has the one form: three parts, each in the one spelling of its bytes, and a header that is the
 * canonical JSON of `alg`, `kid`, `typ`, and nothing else. So nothing can be hidden in it, and nothing is fetched. Throws SignatureError.
 */
export function readCompactJws(text: string): CompactJws {
  assertLength(text);
  const parts = text.split('.');
  if (parts.length !== 3) throw malformed(`it has ${parts.length} parts; a compact JWS has three`);
  const [header, payload, signature] = parts.map((part, index) => {
    const bytes = strictBase64url(part);
    if (bytes === undefined)
      throw malformed(`its ${['header', 'payload', 'signature'][index]} is empty, or not base64url as encoders write it`);
    return bytes;
  });
  const signed = Buffer.from(text.slice(0, text.lastIndexOf('.')), 'latin1');
  return { ...readHeader(header!), payload: payload!, signed, signature: signature! };
}

function readHeader(bytes: Buffer): Header {
  const { alg, kid, typ } = parsedHeader(bytes);
  if (typ !== TYPE) throw malformed(`its typ is not ${TYPE}; it is no signature of a task`);
  if (alg === 'Ed25519') throw malformed('its alg is Ed25519; sign with alg EdDSA, the one name for that here');
  if (!isVerifyingAlg(alg)) throw malformed(`its alg is not one of ${VERIFYING_ALGS.join(', ')}`);
  if (!isKid(kid)) throw malformed('its header has no kid, or one that no key can have; sign with the kid of a key in the key set');
  // which also refuses what has further members, twice the same one, or the same ones in another spelling
  if (bytes.toString('latin1') !== Buffer.from(canonicalJson({ alg, kid, typ })).toString('latin1'))
    throw malformed('its header is not alg, kid and typ, in that order, once each, in canonical JSON, and nothing else');
  return { alg, kid };
}

function parsedHeader(bytes: Buffer): Record<string, unknown> {
  try {
    const value = JSON.parse(bytes.toString());
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // said below
  }
  throw malformed('its header is not a JSON object');
}

function assertLength({ length }: string): void {
  if (length > LONGEST) throw malformed(`it is longer than ${LONGEST} characters; a signed definition has at most 767 KiB`);
}

function malformed(what: string): SignatureError {
  return new SignatureError('signature-malformed', `The signature is malformed: ${what}`);
}

import { canonicalJson } from '../../signatures/canonical-json.js';
import { type KeySet, readKeySet } from '../../signatures/key-set.js';
import { SignatureError } from '../../signatures/signature-error.js';
import { ApiError } from '../http/api-error.js';
import type { FoundPolicyRow } from './sql/find-signature-policy.js';

/** The key set of a task queue, as it is stored and told of. */
export interface QueueKeySet {
  /** Canonical JSON. */
  text: string;
  version: number;
  digest: string;
  expires: number | undefined;
  kids: string[];
}

/** A thousand keys with owner and limits; it is in the memory of every process. */
const MOST_BYTES = 256 * 1024;

/** Of a request. Throws InputError, which tells each key that is refused by its kid, and why. */
export function givenKeySet(jwks: object): QueueKeySet {
  const text = canonicalJson(jwks);
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_BYTES) throw new ApiError('InputError', `keySet has ${bytes} bytes; it may have ${MOST_BYTES}, so leave out old keys`);
  const { version, digest, expires, keys } = read(text);
  return { text, version, digest, expires, kids: Object.keys(keys) };
}

function read(text: string): KeySet {
  try {
    return readKeySet(text);
  } catch (cause) {
    if (cause instanceof SignatureError) throw new ApiError('InputError', `keySet: ${cause.detail}`, { cause });
    throw cause;
  }
}

/** Of a row: it was checked when it came. */
export function storedKeySet({ keySet, keySetVersion, keySetDigest }: FoundPolicyRow): QueueKeySet | undefined {
  if (keySet === null || keySetVersion === null || keySetDigest === null) return undefined;
  const { keys, expires } = JSON.parse(keySet) as { keys: { kid: string }[]; expires?: number };
  return { text: keySet, version: keySetVersion, digest: keySetDigest, expires, kids: keys.map(({ kid }) => kid) };
}

/** Of JSON: longer lists are told by their number; the digest says the rest. */
const LONGEST_KIDS = 4_096;

/** What an entry of the audit log tells of it. */
export function toldKeySet({ version, digest, kids }: QueueKeySet): object {
  const isLong = JSON.stringify(kids).length > LONGEST_KIDS;
  return { keySetVersion: version, keySetDigest: digest, ...(isLong ? { kidsCount: kids.length } : { kids }) };
}

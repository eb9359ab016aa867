import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import { SignatureError } from './signature-error.js';
import { parseStrictJson } from './strict-json.js';
import { instantProblem, readKey, type VerificationKey } from './verification-key.js';

/** Whose signatures are believed. Frozen: who holds one has the same keys for as long. */
export interface KeySet {
  /** Counts up with every change. */
  readonly version: number;
  /** Unix seconds; from then on nothing is believed until there is a newer set. */
  readonly expires?: number;
  /** By kid. */
  readonly keys: Readonly<Record<string, VerificationKey>>;
  /** SHA-256 of what it says, in hex: two sets of one digest are the same. */
  readonly digest: string;
}

const SET_MEMBERS = ['keys', 'version', 'expires'];

/** Keys. A set is looked through by people. */
const MOST_KEYS = 1000;

/**
 * The key set that a text is: a JWKS (RFC 7517) of public keys, with a `version`. Strict: what it does not know may be a limit of the key
 * that was misspelt. Throws SignatureError, which tells every key that is refused by its kid, and why.
 */
export function readKeySet(text: string): KeySet {
  const set = parsed(text);
  const { keys, version, expires } = set;
  const problems = Object.keys(set)
    .filter((name) => !SET_MEMBERS.includes(name))
    .map((name) => `the set has a member ${JSON.stringify(name)}, which means nothing here`);
  if (!Number.isSafeInteger(version) || (version as number) < 1)
    problems.push('version must be an integer from 1, greater with each change');
  problems.push(...instantProblem('expires', expires));
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MOST_KEYS) {
    problems.push(`keys must be a list of 1 to ${MOST_KEYS} public keys`);
    throw invalid(problems);
  }
  const read = readKeys(keys, problems);
  if (problems.length > 0) throw invalid(problems);
  const digest = createHash('sha256').update(canonicalJson(set)).digest('hex');
  return Object.freeze({ version: version as number, ...(expires !== undefined && { expires: expires as number }), keys: read, digest });
}

function parsed(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    throw invalid([`it ${error instanceof SyntaxError ? error.message.replace(/^not/, 'is not') : 'cannot be read'}`]);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(['it is not a JSON object with keys']);
  return value as Record<string, unknown>;
}

function readKeys(jwks: readonly unknown[], problems: string[]): KeySet['keys'] {
  const keys: Record<string, VerificationKey> = Object.create(null); // a kid may be any word
  const kidOf = new Map<string, string>();
  for (const [index, jwk] of jwks.entries()) {
    const key = readKey(jwk, index);
    if (typeof key === 'string') problems.push(key);
    else if (keys[key.kid]) problems.push(`there are two keys ${key.kid}`);
    else {
      const twin = kidOf.get(key.thumbprint);
      if (twin !== undefined) problems.push(`keys ${twin} and ${key.kid} are the same key; limits of one would not be those of the other`);
      keys[key.kid] = key;
      kidOf.set(key.thumbprint, key.kid);
    }
  }
  return Object.freeze(keys);
}

function invalid(problems: readonly string[]): SignatureError {
  return new SignatureError('keyset-invalid', `The key set is refused: ${problems.join('; ')}`);
}

/**
 * Whether a key set may take the place of the one that was believed last: it is newer, or the same. Otherwise who can write the file could
 * bring back a key that was revoked. Whoever restarts keeps `version` and `digest` somewhere for that.
 */
export function mayReplace(old: Pick<KeySet, 'version' | 'digest'>, next: Pick<KeySet, 'version' | 'digest'>): boolean {
  return next.version > old.version || (next.version === old.version && next.digest === old.digest);
}

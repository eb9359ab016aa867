import { type CryptoKey, compactVerify } from 'jose';
import { TokenError } from './token-error.js';

/** What a compact JWS (RFC 7515, 7.1) says before anybody has looked at its signature. */
export interface CompactJws {
  header: Record<string, unknown>;
  payload: Record<string, unknown>;
}

export interface JwsForm {
  /** What it is called in refusals. */
  name: string;
  /** Characters. */
  atMost: number;
  /** Exactly the members of the header: so `crit`, `b64`, `jku`, `x5u` and all that is yet to come are refused, not ignored. */
  members: readonly string[];
  type: string;
}

/** Reads one strictly: what two parsers could read in two ways is refused. Throws TokenError. */
export function readCompactJws(text: string, { name, atMost, members, type }: JwsForm): CompactJws {
  if (text.length > atMost) throw new TokenError('too-long', `The ${name} is longer than ${atMost} characters`);
  const parts = text.split('.');
  if (parts.length !== 3) throw new TokenError('malformed', `The ${name} has ${parts.length} parts; a signed one has three`);
  const [header, payload] = [readObject(parts[0], `header of the ${name}`), readObject(parts[1], `payload of the ${name}`)];
  bytesOf(parts[2], `signature of the ${name}`);
  const unknown = Object.keys(header).filter((member) => !members.includes(member));
  const missing = members.filter((member) => !Object.hasOwn(header, member));
  if (unknown.length > 0 || missing.length > 0)
    throw new TokenError('header', `The header of the ${name} must have ${members.join(', ')} and nothing else`);
  if (header.typ !== type) throw new TokenError('type', `The typ of the ${name} must be ${type}`);
  return { header, payload };
}

/** Throws TokenError unless that key signed it by that algorithm. The algorithm is ours to name: its header is not asked. */
export async function verifySignature(text: string, name: string, key: CryptoKey, alg: string): Promise<void> {
  try {
    await compactVerify(text, key, { algorithms: [alg] });
  } catch (cause) {
    throw new TokenError('signature', `The signature of the ${name} is not valid`, { cause });
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readObject(part: string | undefined, what: string): Record<string, unknown> {
  const bytes = bytesOf(part, what);
  let value: unknown;
  let text = '';
  try {
    text = UTF8.decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw new TokenError('malformed', `The ${what} is not JSON in UTF-8`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TokenError('malformed', `The ${what} is not a JSON object`);
  if (hasDuplicateKeys(text)) throw new TokenError('duplicate-key', `The ${what} has a key twice`);
  return value as Record<string, unknown>;
}

/** Only the one spelling that encoders make: with others, one token would have many texts. */
function bytesOf(part: string | undefined, what: string): Buffer {
  const bytes = Buffer.from(part ?? '', 'base64url');
  if (!part || bytes.toString('base64url') !== part) throw new TokenError('malformed', `The ${what} is not base64url`);
  return bytes;
}

/**
 * Whether an object in a text that is JSON has a key twice. RFC 7515, 4 wants that refused, or the last one taken; there are parsers that
 * take the first one, and to them the token would say something else.
 */
export function hasDuplicateKeys(json: string): boolean {
  const open: Set<string>[] = [];
  for (const [token, key] of json.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (key !== undefined) {
      const name: string = JSON.parse(key);
      if (open.at(-1)?.has(name)) return true;
      open.at(-1)?.add(name);
    }
  }
  return false;
}

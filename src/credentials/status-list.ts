import { deflateSync } from 'node:zlib';
import { type CryptoKey, SignJWT } from 'jose';

/** Tokens in one status list: 16 KiB of one bit each, and a fraction of that as it is sent, since nearly all of them are alike. */
export const LIST_LENGTH = 131_072;

/** Where a token's status is told: `idx` of the list at `uri`. */
export interface StatusReference {
  status_list: { idx: number; uri: string };
}

/** The place of the token that was the nth of all to be issued. */
export function statusReference(issuer: string, nth: number): StatusReference {
  const list = Math.floor(nth / LIST_LENGTH);
  return { status_list: { idx: nth % LIST_LENGTH, uri: statusListUri(issuer, list) } };
}

export function statusListUri(issuer: string, list: number): string {
  return `${issuer}/oauth/status-lists/${list}`;
}

/** Sets the bits of these places. */
export function mark(bits: Buffer, places: Iterable<number>): void {
  for (const idx of places) bits[idx >> 3] = (bits[idx >> 3] as number) | (1 << (idx & 7));
}

/**
 * The `lst` of a status list token (draft-ietf-oauth-status-list, 4.1): a bit for each token, 1 where it is good no more, the first one
 * the lowest of the first byte; compressed as zlib does, in base64url.
 */
export function encodeStatusList(bits: Buffer): string {
  return deflateSync(bits, { level: 9 }).toString('base64url');
}

export interface StatusListTerms {
  uri: string;
  bits: Buffer;
  /** Unix seconds. */
  now: number;
  /** Seconds that a verifier may keep it, and seconds after which it is worth nothing. */
  ttl: number;
  life: number;
}

/** A status list token (5.1 there), of a type of its own: none of our other tokens can be passed off as one. */
export function signStatusList(terms: StatusListTerms, { alg, kid, key }: { alg: string; kid: string; key: CryptoKey }): Promise<string> {
  const { uri, bits, now, ttl, life } = terms;
  return new SignJWT({ sub: uri, iat: now, exp: now + life, ttl, status_list: { bits: 1, lst: encodeStatusList(bits) } })
    .setProtectedHeader({ alg, kid, typ: 'statuslist+jwt' })
    .sign(key);
}

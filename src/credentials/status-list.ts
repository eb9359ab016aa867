import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { type CryptoKey, SignJWT } from 'jose';

/** Tokens in one status list: 16 KiB of one bit each, and a fraction of that as it is sent, since nearly all of them are alike. */
export const LIST_LENGTH = 131_072;

/** Where a token's status is told: `idx` of the list at `uri`. */
export interface StatusReference {
  status_list: { idx: number; uri: string };
}

/** The place of a token, counted through all lists. */
export function statusReference(issuer: string, nth: number): StatusReference {
  const list = Math.floor(nth / LIST_LENGTH);
  return { status_list: { idx: nth % LIST_LENGTH, uri: statusListUri(issuer, list) } };
}

export function statusListUri(issuer: string, list: number): string {
  return `${issuer}/oauth/status-lists/${list}`;
}

/**
 * The places of a list in an order that only who has the secret knows: the nth token to be issued gets the nth of them. In order they would
 * tell every audience how many tokens are made, and which were made together (12.2 of the draft).
 */
export function shuffledPlaces(secret: Buffer, list: number): Uint32Array {
  const random = createHash('shake256', { outputLength: 4 * LIST_LENGTH })
    .update(secret)
    .update(`${list}`)
    .digest();
  const places = Uint32Array.from({ length: LIST_LENGTH }, (_, nth) => nth);
  for (let last = LIST_LENGTH - 1; last > 0; last--) {
    const other = random.readUInt32LE(4 * last) % (last + 1);
    const place = places[last] as number;
    places[last] = places[other] as number;
    places[other] = place;
  }
  return places;
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

import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * HMAC-SHA256 (RFC 2104) of `text` in UTF-8, keyed with the characters of `key` as they stand (an access token is not base64-decoded).
 *
 * @throws RangeError when `key` is empty: a client stored without a token would otherwise share its key with everyone.
 */
export function hmac(key: string, text: string, encoding: 'base64' | 'base64url'): string {
  if (key === '') {
    throw new RangeError('an HMAC key must not be empty');
  }
  return createHmac('sha256', key).update(text).digest(encoding);
}

/**
 * Whether a digest received from outside is the expected one, in time that does not depend on where they differ: comparing with `===`
 * lets a caller find a MAC byte by byte. `timingSafeEqual` throws on unequal lengths, which would turn a short MAC into a 500; here it is
 * simply unequal (the length of a digest is no secret).
 */
export function digestsEqual(expected: string, received: string): boolean {
  const [left, right] = [Buffer.from(expected), Buffer.from(received)];
  return left.length === right.length && timingSafeEqual(left, right);
}

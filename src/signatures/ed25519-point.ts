const PRIME = 2n ** 255n - 19n;

/** One of the two y of the points whose order is 8. */
const ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
/** The y of all points whose order divides 8. */
const WEAK = new Set([0n, 1n, PRIME - 1n, ORDER_8, PRIME - ORDER_8]);

/**
 * What is wrong with the 32 bytes of an Ed25519 key, if so. OpenSSL takes them all: also points of small order, for which anybody can make
 * signatures over anything, and numbers beyond the prime, which are a second spelling of others (RFC 8032, 5.1.3).
 */
export function pointProblem(bytes: Buffer): string | undefined {
  const y = BigInt.asUintN(255, BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)); // the first bit is the sign of x
  if (y >= PRIME) return 'x is in a spelling that encoders do not write';
  return WEAK.has(y) ? 'anybody could sign by it' : undefined;
}

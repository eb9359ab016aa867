import type { ClaimRefused } from './claim-refused.js';
import type { ClearedTask } from './verify-claim.js';

/** What the queue is told of a run that begins: which definition it is, and who stands for it. */
export function verdictReport({ verdict, code, kid, thumbprint, payloadDigest }: ClearedTask) {
  return defined({ verdict, code, kid, thumbprint, payloadDigest });
}

/**
 * What the queue is told of a run that does not begin: nothing of its signature where nobody could look at that, and nothing at all of one that
 * was begun before.
 */
export function refusalReport({ begunBefore, ownFault, reason, code, kid, payloadDigest }: ClaimRefused) {
  if (begunBefore) return undefined;
  return ownFault ? { reason } : { reason, signature: defined({ code, kid, payloadDigest }) };
}

function defined<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

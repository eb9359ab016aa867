import type { Answer } from './ask.js';

/** The queue's clock is told in whole seconds: it may have been this much later. */
const TOLD_TOO_EARLY = 1_000;

/** Timers take no more, and no lease is longer. */
const LONGEST = 7 * 86_400_000;

/**
 * Until when a lease is ours, by performance.now(): our own clock may be wrong, or be set, while the run goes on. Without a time that can be
 * read it has ended when it was told.
 */
export function leaseEnd(takenUntil: string | undefined, { at, queueNow }: Pick<Answer, 'at' | 'queueNow'>): number {
  const left = Date.parse(takenUntil ?? '') - queueNow - TOLD_TOO_EARLY;
  return at + (left > 0 ? Math.min(left, LONGEST) : 0);
}

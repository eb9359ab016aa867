/*
 * That a run has ended is known to whoever reads its status list within the seconds that are promised, on the longest way there is: the
 * list was read just before the run ended, is sent as late as it may be, one cache keeps it, and the verifier keeps what the cache gave. Each cache
 * more that counts anew adds its second.
 */

/** Seconds. */
export const STATUS_PROMISE = 5;

/** While anybody asks for a list, it is read anew so often (ms). */
export const STATUS_EVERY_MS = 1_000;

/** A list that was read longer ago is not sent: to make one may take what is left of this, and whoever asks waits for it, or is told 503. */
export const STATUS_OLDEST_MS = 2_000;

/** Seconds that caches may keep a list. Some count in whole seconds only, and keep it for up to one more; the promise has room for that. */
export const STATUS_MAX_AGE = 1;

/** Seconds that a verifier may keep it, which knows nothing of the caches before it. */
export const STATUS_TTL = 1;

/** Seconds. A verifier that cannot reach us any more believes a list for no longer. */
export const STATUS_LIFE = 60;

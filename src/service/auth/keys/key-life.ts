import type { Config } from '../../config.js';

/** How long verifiers may keep the published keys, in seconds: what their caches are told. */
export const JWKS_MAX_AGE = 300;

/** A new key is published so long before it signs: twice, because a cache may have asked a cache. */
export const PUBLISH_LEAD = 2 * JWKS_MAX_AGE;

/** What a verifier's clock may be behind ours, in seconds. */
export const CLOCK_SKEW = 300;

/** Seconds from a token's signature until the last verifier has stopped to believe it: no token outlives its lease and the grace. */
export function longestBelief({ claimTimeout, credentialsGrace }: Config): number {
  return claimTimeout + credentialsGrace + CLOCK_SKEW;
}

import type { Config } from '../../config.js';

/** How long verifiers may keep the published keys, in seconds: what their caches are told. */
export const JWKS_MAX_AGE = 300;

/** A new key is published so long before it signs: twice, because a cache may have asked a cache. */
export const PUBLISH_LEAD = 2 * JWKS_MAX_AGE;

/** What a verifier's clock may be behind ours, in seconds. */
export const CLOCK_SKEW = 300;

/** Seconds without a word from the database after which this replica may be alone in not knowing that a key leaked. */
const DOUBT = 30;

/** What verifiers are told then: they ask again soon, here or elsewhere. */
const DOUBT_MAX_AGE = 30;

/**
 * How long verifiers may keep published keys that the database told us so many seconds ago; null: they are not to be told any more. An
 * outage must not make them refuse what is good, so the keys are told on; but after `longestBelief` nothing that was signed before it is
 * alive, and a replica that was cut off alone would only go on to publish a key that leaked meanwhile.
 */
export function jwksMaxAge(age: number, config: Config): number | null {
  if (age > longestBelief(config)) return null;
  return age > DOUBT ? DOUBT_MAX_AGE : JWKS_MAX_AGE;
}

/** Seconds from a token's signature until the last verifier has stopped to believe it: no token outlives its lease and the grace. */
export function longestBelief({ claimTimeout, credentialsGrace }: Config): number {
  return claimTimeout + credentialsGrace + CLOCK_SKEW;
}

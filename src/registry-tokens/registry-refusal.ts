import { parseChallenges } from './challenge.js';
import { type BearerChallenge, bearerOf } from './known-registry.js';

/** A registry wants somebody else, or somebody at all. */
export interface RegistryRefusal {
  bearer?: BearerChallenge;
  wantsBasic: boolean;
}

/** Some say 403 where they want another token, and then say so. Any other 403 is final. */
export function registryRefusal(status: number, headers: readonly string[]): RegistryRefusal | undefined {
  if (status !== 401 && status !== 403) return undefined;
  const challenges = parseChallenges(headers);
  const bearer = bearerOf(challenges);
  if (status === 403 && bearer?.error !== 'insufficient_scope') return undefined;
  return { bearer, wantsBasic: challenges.some(({ scheme }) => scheme === 'basic') };
}

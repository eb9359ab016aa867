import { normalScopes } from './registry-scope.js';
import type { RequestNeeds } from './request-needs.js';

/** What the challenge names, if it is less than what is asked for; otherwise what the request alone needs, if that is less. */
export function narrowerScopes(needs: RequestNeeds, challenged: string, asks: readonly string[]): readonly string[] | undefined {
  const own = needs.narrower ?? needs.required.scopes;
  const candidates = [normalScopes([challenged]), own].filter((one) => one.length > 0 && !isSame(one, asks));
  return candidates.find((one) => isSame(normalScopes([...one, ...asks]), asks));
}

/** Of two lists in normal form. */
export function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.join(' ') === other.join(' ');
}

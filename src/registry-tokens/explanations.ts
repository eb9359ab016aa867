import { isSame } from './narrower-scopes.js';
import type { RequestNeeds } from './request-needs.js';
import type { Token } from './token-cache.js';

/* Why the answer of a registry was final, for people. */

export function whatIsForbidden({ registry, required }: RequestNeeds): string {
  return `${registry.origin} forbids ${nameOf(required)}, whatever token is sent`;
}

export function saysNothing({ registry, required }: RequestNeeds): string {
  return `${registry.origin} refuses ${nameOf(required)}, and does not say what it wants`;
}

export function refusesPassword({ registry, required }: RequestNeeds): string {
  return `${registry.origin} refuses the username and password that are configured for ${nameOf(required)}`;
}

export function hasNotSaid({ registry, required }: RequestNeeds): string {
  return `${registry.origin} wants a username and a password for ${nameOf(required)}; none are sent, for at /v2/ it does not answer what it wants itself. Try again`;
}

export function turnedToPasswords({ registry }: RequestNeeds): string {
  return `${registry.origin} has asked for tokens before, and asks for a password now; none is sent`;
}

export function hasNoPassword({ registry, required }: RequestNeeds): string {
  return `${registry.origin} wants a username and a password for ${nameOf(required)}, and none are configured`;
}

export function tokenLacksIt({ registry, required }: RequestNeeds, token: Token): string {
  const asked = isSame(token.asked, required.scopes) ? '' : ` (asked for as ${token.asked.join(' ')})`;
  return `${registry.origin} refuses ${nameOf(required)} although a token for ${required.scopes.join(' ')}${asked} was sent: whoever it was made for lacks that`;
}

/** The repository, or the catalog of all. */
export function nameOf({ repository }: RequestNeeds['required']): string {
  return repository || 'its catalog';
}

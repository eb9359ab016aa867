import { credentialFor, fingerprintOf } from './credential-choice.js';
import type { KnownRegistry } from './known-registry.js';
import { normalScopes, type RequiredScopes, widened } from './registry-scope.js';
import type { Credential } from './registry-settings.js';
import type { TokenCache, TokenKey } from './token-cache.js';

/** What one request to a registry needs. */
export interface RequestNeeds {
  registry: KnownRegistry;
  /** What a token for it must cover. */
  required: RequiredScopes;
  /** By the request alone, where `required` has more. */
  narrower?: readonly string[];
  /** Of the repository that the request is for: with a mount, of the one that is written to. */
  credential?: Credential;
  key: TokenKey;
}

/**
 * `scopes`: a token for each set of registry scopes. `context`: one for each repository, which grows by what is done there; fewer tokens,
 * and each may do more than a request needs. Neither is ever used for another repository, and a mount has a token of its own.
 */
export type SessionMode = 'scopes' | 'context';

/** How tokens of one session are told from those of any other. */
export interface KeyMaker {
  id: string;
  secret: Uint8Array;
  mode: SessionMode;
}

/** The key is what the request itself says, whatever a registry answers to it. */
export function needsOf(required: RequiredScopes, registry: KnownRegistry, cache: TokenCache, maker: KeyMaker): RequestNeeds {
  const credential = credentialFor(registry.settings.credentials ?? [], required.repository);
  const wanted = registry.settings.widen ? widened(required) : required;
  const { origin } = registry;
  const isContext = maker.mode === 'context' && required.mountedFrom === undefined;
  const of = isContext ? ['of', required.repository] : wanted.scopes;
  const key = { origin, text: JSON.stringify([maker.id, fingerprintOf(credential, maker.secret), origin, ...of]) };
  const grown = isContext ? { ...wanted, scopes: normalScopes([...cache.coveredBy(key), ...wanted.scopes]) } : wanted;
  return { registry, required: grown, ...(wanted !== required && { narrower: required.scopes }), credential, key };
}

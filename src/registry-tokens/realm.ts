import { RegistryAuthError } from './attempt.js';
import type { RegistrySettings } from './registry-settings.js';

/** Longest URL of a token server, in characters. */
const MAX_REALM_LENGTH = 2048;

/** Scheme, host and port, without a user; a path and a query. */
const PLAIN_URL = /^[a-z][a-z\d+.-]*:\/\/[^/?@]+(?:[/?].*)?$/i;

/**
 * Visible ASCII but the number sign, the semicolon and the backslash. Of a URL with other things the standard of browsers makes something, too: it drops
 * ends of lines, and turns a backslash. Nobody else who reads it has to come to the same; and a semicolon separates parameters for some.
 */
const PLAIN_TEXT = /^[!"$-:<-[\]-~]+$/;

/** Parameters of a token request. A realm that brings one along would have it twice, and one of the two would not be ours. */
const OURS = /^(?:service|scope|account|client_id|offline_token|access_type|grant_type|username|password|refresh_token)$/i;

/**
 * Whether a token server may be asked, and so be sent a credential, because a registry's challenge names it. It may if it is at the
 * registry's own origin, is exactly the realm that was configured, or is at an origin that is trusted for this registry. By https, but for a
 * registry that is itself reached by http. What is below `/v2/<name>/` may be behind a gateway, where whoever answers for that repository would
 * be sent the credentials of all: that is no realm, unless it was configured.
 *
 * @param pinned the realm that was used before: beside it none is believed but those that somebody has configured
 * @throws RegistryAuthError `bad-challenge` for what can be no realm, `realm-not-trusted` for one elsewhere
 */
export function trustedRealm(realm: string, settings: Pick<RegistrySettings, 'origin' | 'realm' | 'trustedRealms'>, pinned?: string): URL {
  const url = realmUrl(realm, settings.origin);
  const registry = new URL(settings.origin);
  const [asked, from] = [`${url.protocol}//${url.host}`, registry.origin];
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && registry.protocol === 'http:')) {
    throw new RegistryAuthError('realm-not-trusted', `The registry ${from} names a token server that is not reached by https: ${asked}.`);
  }
  if (isConfigured(url, settings)) return url;
  if (url.origin !== registry.origin) {
    throw new RegistryAuthError(
      'realm-not-trusted',
      `The registry ${from} names the token server ${asked}, which is not trusted for it. If it should be, add ${asked} to its trusted realms.`,
    );
  }
  if (isOfRepository(url)) {
    throw new RegistryAuthError(
      'realm-not-trusted',
      `The registry ${from} names a token server among its own repositories, which may be somebody else's. If it is the right one, let it be the realm in the registry's configuration.`,
    );
  }
  if (pinned !== undefined && url.href !== hrefOf(pinned)) {
    throw new RegistryAuthError(
      'realm-not-trusted',
      `The registry ${from} names another token server than before, at ${asked}. If it should be asked, add ${asked} to the trusted realms of the registry.`,
    );
  }
  return url;
}

function realmUrl(realm: string, origin: string): URL {
  const isPlain = realm.length <= MAX_REALM_LENGTH && PLAIN_TEXT.test(realm) && PLAIN_URL.test(realm);
  const url = isPlain && URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || [...url.searchParams.keys()].some((name) => OURS.test(name.trim()))) {
    throw new RegistryAuthError('bad-challenge', `The registry ${new URL(origin).origin} names a token server by what is no plain URL.`);
  }
  return url;
}

function isConfigured(url: URL, { realm, trustedRealms = [] }: Pick<RegistrySettings, 'realm' | 'trustedRealms'>): boolean {
  return (realm !== undefined && hrefOf(realm) === url.href) || trustedRealms.some((origin) => originOf(origin) === url.origin);
}

/** `/v2/token` is none. What could be read as another path is taken for one. */
function isOfRepository({ pathname }: URL): boolean {
  return /^\/v2\/[^/]+\/.|%|\/\//i.test(pathname);
}

function hrefOf(text: string): string | undefined {
  return URL.canParse(text) ? new URL(text).href : undefined;
}

/** Of what is an origin. Somebody who has written a path, too, did not mean all that is there. */
function originOf(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url && url.href === `${url.origin}/` ? url.origin : undefined;
}

import { RegistryAuthError } from './attempt.js';
import type { Credential } from './registry-settings.js';

export interface TokenRequest {
  /** Trusted by then. */
  realm: URL;
  service?: string;
  scopes: readonly string[];
  credential?: Credential;
}

/** As it is sent. */
export interface TokenForm {
  method: 'GET' | 'POST';
  url: URL;
  headers: Record<string, string>;
  body?: string;
}

const CLIENT_ID = 'leasehold';

/**
 * https://distribution.github.io/distribution/spec/auth/token/, or for an identity token …/auth/oauth/. Each value is encoded by itself, so
 * that what a registry names cannot become a parameter of its own.
 *
 * @throws RegistryAuthError `realm-not-trusted` where who signs does so for another realm
 */
export function tokenForm({ realm, service, scopes, credential }: TokenRequest): TokenForm {
  if (credential?.kind === 'refresh')
    return posted(realm, { grant_type: 'refresh_token', refresh_token: credential.token }, service, scopes);
  const url = rewritten(realm);
  if (service !== undefined) url.searchParams.append('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  return { method: 'GET', url, headers: headersOf(credential, url) };
}

/** For a server that knows no GET; nothing where there is no password to post. */
export function passwordForm({ realm, service, scopes, credential }: TokenRequest): TokenForm | undefined {
  if (credential?.kind !== 'basic') return undefined;
  const { username, password } = credential;
  return posted(realm, { grant_type: 'password', username, password }, service, scopes);
}

/** `Basic …` */
export function basicAuthorization({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function posted(realm: URL, grant: Record<string, string>, service: string | undefined, scopes: readonly string[]): TokenForm {
  const form = new URLSearchParams({ ...grant, client_id: CLIENT_ID });
  if (service !== undefined) form.append('service', service);
  if (scopes.length > 0) form.append('scope', scopes.join(' '));
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', url: rewritten(realm), headers, body: form.toString() };
}

/** Its own query written anew, so that nobody ends a parameter elsewhere than we do. */
function rewritten(realm: URL): URL {
  const url = new URL(realm);
  url.search = url.searchParams.toString();
  return url;
}

function headersOf(credential: Credential | undefined, url: URL): Record<string, string> {
  const headers = { accept: 'application/json' };
  if (credential?.kind === 'basic') return { ...headers, authorization: basicAuthorization(credential) };
  if (credential?.kind !== 'signed') return headers;
  const signedFor = new URL(credential.realm);
  if (signedFor.origin !== url.origin || signedFor.pathname !== url.pathname)
    throw new RegistryAuthError(
      'realm-not-trusted',
      `Tokens are signed for at ${signedFor.origin}${signedFor.pathname}, and not at ${url.origin}; let that be the realm in the registry's configuration`,
    );
  return { ...headers, authorization: credential.authorization('GET', url.href) };
}

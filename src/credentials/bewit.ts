import { CredentialError } from './credential-error.js';
import { type Credentials, extFor } from './ext.js';
import { type HawkRequest, MAX_MATCH_LENGTH, requestMac } from './hawk.js';
import { digestsEqual } from './hmac.js';

/** The four fields of a bewit as sent. `exp` is unix seconds in decimal, `mac` padded base64, `ext` empty for plain credentials. */
export interface Bewit {
  id: string;
  exp: string;
  mac: string;
  ext: string;
}

/** What the signer of a URL decides: when it ends, in whole unix seconds, and a restriction of the scopes it carries. */
export interface BewitOptions {
  exp: number;
  authorizedScopes?: readonly string[];
}

/**
 * Splits a signed URL (Hawk 1.1, "Single URI Authorization") into its bewit and the resource the bewit was made for: the URL without that
 * parameter, the separator before it kept for what follows it.
 *
 * Only the query is searched. Hawk's own server finds `&bewit=` in a path as well, so whoever holds a signed URL could move the bewit into
 * the last path segment and have a resource of another name answered under the same MAC.
 *
 * @param resource path and query exactly as sent
 * @returns `undefined` when the URL carries no bewit
 * @throws CredentialError `Bad Request: Resource path exceeds max length`, `Unauthorized: Unauthorized` when a bewit is there but followed
 *   by neither the end nor another parameter, `Unauthorized: Empty bewit`
 */
export function bewitFromUrl(resource: string): { bewit: string; resource: string } | undefined {
  const start = resource.startsWith('/') ? resource.indexOf('?') : -1;
  if (start === -1 || !/[?&]bewit=/.test(resource.slice(start))) return undefined;
  if (resource.length > MAX_MATCH_LENGTH) {
    throw new CredentialError('Bad Request: Resource path exceeds max length');
  }
  // The last one counts. The value sits in a look-ahead so that `?bewit=a?bewit=b` is seen as two.
  const match = [...resource.slice(start).matchAll(/([?&])bewit=(?=([^&$]*)(?:&(.+)|$))/gs)].at(-1);
  if (match === undefined) {
    throw new CredentialError('Unauthorized: Unauthorized');
  }
  const [, separator = '', bewit = '', rest] = match;
  if (bewit === '') {
    throw new CredentialError('Unauthorized: Empty bewit');
  }
  const before = resource.slice(0, start + match.index);
  return { bewit, resource: rest === undefined ? before : `${before}${separator}${rest}` };
}

/**
 * Reads a bewit: unpadded base64url of `id\exp\mac\ext`. Nothing is authenticated yet.
 *
 * @param method the request's: a signed URL can only be read, and this is refused before the bewit is looked into
 * @throws CredentialError `Unauthorized: Invalid method`, then `Bad Request: Invalid bewit encoding`, `… Invalid bewit structure`,
 *   `… Missing bewit attributes`
 */
export function parseBewit(bewit: string, method: string): Bewit {
  refuseUnlessReading(method);
  if (!/^[\w-]*$/.test(bewit)) {
    throw new CredentialError('Bad Request: Invalid bewit encoding');
  }
  const [id, exp, mac, ext, ...more] = Buffer.from(bewit, 'base64url').toString('latin1').split('\\');
  if (ext === undefined || more.length > 0) {
    throw new CredentialError('Bad Request: Invalid bewit structure');
  }
  if (!id || !exp || !mac) {
    throw new CredentialError('Bad Request: Missing bewit attributes');
  }
  return { id, exp, mac, ext };
}

/**
 * Checks that the holder of `key` signed this URL, and that it has not ended.
 *
 * @param request its `resource` without the bewit, as `bewitFromUrl` returns it
 * @param nowMs our clock in unix milliseconds; no skew is allowed, since one clock only is involved
 * @throws CredentialError `Unauthorized: Invalid method`, `Unauthorized: Bad mac`, then `Unauthorized: Access expired`
 */
export function verifyBewit(key: string, request: HawkRequest, bewit: Bewit, nowMs: number): void {
  refuseUnlessReading(request.method);
  if (!digestsEqual(bewitMac(key, request, bewit.exp, bewit.ext), bewit.mac)) {
    throw new CredentialError('Unauthorized: Bad mac');
  }
  // Digits only: an end that is no number compares as false with every clock, and the URL would never end.
  const expMs = /^\d+$/.test(bewit.exp) ? Number(bewit.exp) * 1000 : 0;
  if (expMs <= nowMs) {
    throw new CredentialError('Unauthorized: Access expired');
  }
}

/**
 * The bewit that lets whoever has the URL read it until `exp`; append it as the query parameter `bewit`. Answers to GET and HEAD alike.
 *
 * @throws TypeError when the clientId holds a backslash or `exp` is not a whole number: the server could not read the bewit back
 */
export function signBewit(credentials: Credentials, request: Omit<HawkRequest, 'method'>, options: BewitOptions): string {
  const { clientId, accessToken } = credentials;
  if (!/^[ -[\]-~]+$/.test(clientId) || !Number.isSafeInteger(options.exp)) {
    throw new TypeError('a bewit needs a clientId without backslash and an end in whole seconds');
  }
  const exp = String(options.exp);
  const ext = extFor(credentials, options.authorizedScopes) ?? '';
  return Buffer.from([clientId, exp, bewitMac(accessToken, request, exp, ext), ext].join('\\')).toString('base64url');
}

function bewitMac(key: string, request: Omit<HawkRequest, 'method'>, exp: string, ext: string): string {
  return requestMac('bewit', key, { ...request, method: 'GET' }, { ts: exp, nonce: '', ext });
}

function refuseUnlessReading(method: string): void {
  if (!['GET', 'HEAD'].includes(method.toUpperCase())) {
    throw new CredentialError('Unauthorized: Invalid method');
  }
}

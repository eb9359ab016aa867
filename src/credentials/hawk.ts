import { createHash } from 'node:crypto';
import { CredentialError } from './credential-error.js';
import { type Credentials, extFor } from './ext.js';
import { digestsEqual, hmac } from './hmac.js';

/** Longest Authorization header, or URL with a bewit, in characters. Longer is refused unread: an anonymous caller makes us scan these. */
export const MAX_MATCH_LENGTH = 4096;

/** How far a request's timestamp may be from our clock, either way. Wide, because callers' clocks are poor and nonces are not kept. */
export const MAX_TIMESTAMP_SKEW_MS = 15 * 60 * 1000;

/** The request a MAC covers. `resource` is path and query exactly as sent, still percent-encoded; `host` is without the port. */
export interface HawkRequest {
  method: string;
  resource: string;
  host: string;
  port: number;
}

/** Attributes of a Hawk header. `ts` is unix seconds in decimal; `mac` and `hash` are padded base64; `dlg` is covered only beside `app`. */
export interface HawkAttributes {
  id: string;
  ts: string;
  nonce: string;
  mac: string;
  hash?: string;
  ext?: string;
  app?: string;
  dlg?: string;
}

const ATTRIBUTE_NAMES = ['id', 'ts', 'nonce', 'hash', 'ext', 'mac', 'app', 'dlg'];

/** Printable ASCII but the quote and the backslash. Nothing that could end a line of the text under the MAC can come in by a header. */
const ATTRIBUTE_VALUE = /^[ !#-[\]-~]+$/;

/**
 * Reads an Authorization header (RFC 9110 §11.6.2 with the Hawk scheme). Nothing is authenticated yet.
 *
 * @throws CredentialError `Bad Request: …` for what is not a Hawk header, `Unauthorized: Unauthorized` for another scheme or no header
 */
export function parseAuthorization(header: string): HawkAttributes {
  const attributes = readAttributes(attributeList(header));
  if (['id', 'ts', 'nonce', 'mac'].some((name) => attributes[name] === undefined)) {
    throw new CredentialError('Bad Request: Missing attributes');
  }
  return attributes as typeof attributes & HawkAttributes;
}

function attributeList(header: string): string {
  if (header.length > MAX_MATCH_LENGTH) {
    throw new CredentialError('Bad Request: Header length too long');
  }
  const [syntax, scheme = '', list] = /^(\w+)(?:\s+(\S.*)?)?$/.exec(header) ?? [];
  if (header === '' || (syntax !== undefined && scheme.toLowerCase() !== 'hawk')) {
    throw new CredentialError('Unauthorized: Unauthorized');
  }
  if (list === undefined) {
    throw new CredentialError('Bad Request: Invalid header syntax');
  }
  return list;
}

function readAttributes(list: string): Partial<Record<string, string>> {
  const found: Partial<Record<string, string>> = {}; // its names are those of a list of ours
  let problem: string | undefined;
  let unread = list.length;
  // The look-behind anchors a match to the start of a word. Without it a header of 4096 letters costs 8 million steps.
  for (const [text, name = '', value = ''] of list.matchAll(/(?<!\w)(\w+)="([^"\\]*)"\s*(?:,\s*|$)/g)) {
    const refusal = attributeProblem(found, name, value);
    problem = refusal ?? problem;
    if (refusal === undefined) found[name] = value;
    unread -= text.length;
  }
  if (problem !== undefined || unread > 0) {
    throw new CredentialError(`Bad Request: ${problem ?? 'Bad header format'}`);
  }
  return found;
}

function attributeProblem(found: Partial<Record<string, string>>, name: string, value: string): string | undefined {
  if (!ATTRIBUTE_NAMES.includes(name)) return `Unknown attribute: ${name}`;
  if (!ATTRIBUTE_VALUE.test(value)) return `Bad attribute value: ${name}`;
  return found[name] !== undefined ? `Duplicate attribute: ${name}` : undefined;
}

/** The MAC of a request's header, in padded base64 (Hawk 1.1, "Normalized Request String"). `id` is not covered: it chose the key. */
export function headerMac(key: string, request: HawkRequest, attributes: Omit<HawkAttributes, 'mac'>): string {
  return requestMac('header', key, request, attributes);
}

/** The one text form both kinds of Hawk MAC are made over; the kind is its first line, so a header's MAC never opens a signed URL. */
export function requestMac(
  kind: 'header' | 'bewit',
  key: string,
  request: HawkRequest,
  { ts, nonce, hash, ext, app, dlg }: Omit<HawkAttributes, 'id' | 'mac'>,
): string {
  const escapedExt = (ext ?? '').replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  const { method, resource, host, port } = request;
  const called = `${method.toUpperCase()}\n${resource}\n${host.toLowerCase()}\n${port}`;
  const delegation = app ? `${app}\n${dlg ?? ''}\n` : '';
  return hmac(key, `hawk.1.${kind}\n${ts}\n${nonce}\n${called}\n${hash ?? ''}\n${escapedExt}\n${delegation}`, 'base64');
}

/**
 * Checks that the holder of `key` signed this request, and did so recently.
 *
 * @param nowMs our clock in unix milliseconds
 * @throws CredentialError `Unauthorized: Bad mac`, then `Unauthorized: Stale timestamp`: who lacks the key learns nothing of our clock
 */
export function verifyHeader(key: string, request: HawkRequest, attributes: HawkAttributes, nowMs: number): void {
  if (!digestsEqual(headerMac(key, request, attributes), attributes.mac)) {
    throw new CredentialError('Unauthorized: Bad mac');
  }
  const skew = Math.abs(Number(attributes.ts) * 1000 - nowMs);
  // Not `skew > MAX`: with a timestamp that is no number the skew is NaN, and such a header would never grow stale.
  if (!(skew <= MAX_TIMESTAMP_SKEW_MS)) {
    throw new CredentialError('Unauthorized: Stale timestamp');
  }
}

/** The `hash` attribute for a body, in padded base64 (Hawk 1.1, "Payload Validation"). No body and no type are empty strings. */
export function payloadHash(contentType: string | undefined, body: string | Buffer): string {
  const mediaType = (contentType ?? '').split(';', 1).join().trim().toLowerCase();
  return createHash('sha256').update(`hawk.1.payload\n${mediaType}\n`).update(body).update('\n').digest('base64');
}

/** Whether `hash` is that of this body. A hash of any length or alphabet is an answer, never an exception. */
export function payloadHashMatches(hash: string, contentType: string | undefined, body: string | Buffer): boolean {
  return digestsEqual(payloadHash(contentType, body), hash);
}

/** What a client adds to a signed request: its clock, a fresh nonce, a restriction of scopes, and the body if its hash is to be sent. */
export interface AuthorizationOptions {
  nowMs: number;
  nonce: string;
  authorizedScopes?: readonly string[];
  body?: { contentType: string; text: string };
}

/**
 * The Authorization header with which a client signs a request.
 *
 * @throws TypeError when the clientId or nonce holds a character the header cannot carry (a quote would start another attribute)
 */
export function authorizationHeader(credentials: Credentials, request: HawkRequest, options: AuthorizationOptions): string {
  const { nowMs, nonce, authorizedScopes, body } = options;
  const signed = {
    id: credentials.clientId,
    ts: String(Math.floor(nowMs / 1000)),
    nonce,
    hash: body && payloadHash(body.contentType, body.text),
    ext: extFor(credentials, authorizedScopes),
  };
  const attributes = { ...signed, mac: headerMac(credentials.accessToken, request, signed) };
  return `Hawk ${Object.entries(attributes).flatMap(writeAttribute).join(', ')}`;
}

function writeAttribute([name, value]: [string, string | undefined]): string[] {
  if (value === undefined) return [];
  if (!ATTRIBUTE_VALUE.test(value)) {
    throw new TypeError(`a Hawk header cannot carry this ${name}`);
  }
  return [`${name}="${value}"`];
}

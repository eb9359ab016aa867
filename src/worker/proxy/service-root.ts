import { randomBytes } from 'node:crypto';
import { signBewit } from '../../credentials/bewit.js';
import type { Credentials } from '../../credentials/ext.js';
import { authorizationHeader, MAX_MATCH_LENGTH } from '../../credentials/hawk.js';
import { SetupError } from '../state/setup-error.js';
import { apiResource } from './api-resource.js';
import { malformed, Refusal } from './refusal.js';

/** Seconds for which a signed URL is good, if its certificate is. Clients of the wire protocol count on an hour. */
const SIGNED_URL_LIFE = 3_600;

/** The one place that requests go to, and signatures for it. */
export class ServiceRoot {
  readonly origin: string;
  readonly isSecure: boolean;
  /** The Host header. */
  readonly authority: string;
  /** As a signature has it: an IPv6 address in brackets. */
  readonly host: string;
  readonly port: number;

  /**
   * Throws SetupError unless that is a root URL: an origin, and nothing else. `scopes` are all that signatures carry; absent: whatever the
   * credentials do.
   */
  constructor(
    rootUrl: string,
    readonly scopes?: readonly string[],
  ) {
    const url = URL.canParse(rootUrl) ? new URL(rootUrl) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
      throw new SetupError('rootUrl must be http or https, a host and a port if need be, as https://tasks.example.com, and nothing else');
    this.origin = url.origin;
    this.isSecure = url.protocol === 'https:';
    this.authority = url.host;
    this.host = url.hostname;
    this.port = Number(url.port || (this.isSecure ? 443 : 80));
  }

  /** The header with which a request is sent there. No operation below /api takes a form, which alone must be signed with its body. */
  authorization(credentials: Credentials, method: string, resource: string): string {
    const { host, port, scopes } = this;
    const header = authorizationHeader(
      credentials,
      { method, resource, host, port },
      { nowMs: Date.now(), nonce: randomBytes(9).toString('base64url'), ...(scopes && { authorizedScopes: scopes }) },
    );
    if (header.length <= MAX_MATCH_LENGTH) return header;
    throw new Refusal(403, 'InsufficientScopes', 'The scopes of the task are too long to be told with a call; name fewer, or patterns');
  }

  /** The same URL with a bewit: whoever has it may read it, as the run would, for an hour. @throws Refusal for what is not below /api */
  signedUrl(credentials: Credentials, url: string): string {
    const { origin, host, port, scopes } = this;
    if (!url.startsWith(`${origin}/api/`)) throw malformed(`Send the URL that is to be signed as the body; it begins with ${origin}/api/`);
    const resource = apiResource(url.slice(origin.length));
    const exp = Math.floor(Date.now() / 1000) + SIGNED_URL_LIFE;
    const bewit = signBewit(credentials, { resource, host, port }, { exp, ...(scopes && { authorizedScopes: scopes }) });
    const signed = `${url}${url.includes('?') ? '&' : '?'}bewit=${bewit}`;
    if (signed.length - origin.length <= MAX_MATCH_LENGTH) return signed;
    throw new Refusal(403, 'InsufficientScopes', 'The scopes of the task are too long to be told in a URL; name fewer, or ask by a call');
  }
}

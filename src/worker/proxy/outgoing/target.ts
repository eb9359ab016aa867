import { malformed } from '../refusal.js';
import { normalHost } from './host.js';

/** Where something leads, in its one form. What is looked up, checked and dialled is this, and never what the step has written. */
export interface Target {
  isSecure: boolean;
  /** An IPv6 address is in brackets. */
  host: string;
  port: number;
}

const ABSOLUTE = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is;
const AUTHORITY = /^(\[[^\]]*\]|[^:]*)(?::([1-9][0-9]{0,4}))?$/;
/** What is sent on is one line. A fragment never is. */
const RESOURCE = /^[\x21\x22\x24-\x7e]*$/;
const HIGHEST_PORT = 65_535;

/**
 * What a request in absolute form (RFC 9112, 3.2.2) is for; undefined: it has another form. Its authority alone says where it goes:
 * a Host header is not looked at.
 *
 * @throws Refusal 400
 */
export function absoluteTarget(method: string, url: string): (Target & { resource: string }) | undefined {
  const [, scheme, authority, resource] = ABSOLUTE.exec(url) ?? [];
  if (scheme === undefined || authority === undefined || resource === undefined) return undefined;
  if (!/^https?$/i.test(scheme)) throw malformed('Only URLs of http are passed on');
  if (!RESOURCE.test(resource))
    throw malformed('The URL has a fragment in it, or what must be percent-encoded; leave it out, or encode it');
  const isSecure = scheme.toLowerCase() === 'https';
  const { host, port = isSecure ? 443 : 80 } = parseAuthority(authority);
  return { isSecure, host, port, resource: resourceOf(method, resource) };
}

/** As the last proxy on the way sends it: OPTIONS of no path at all is about the server (RFC 9112, 3.2.4). */
function resourceOf(method: string, written: string): string {
  if (written === '' && method === 'OPTIONS') return '*';
  return written.startsWith('/') ? written : `/${written}`;
}

/** What a CONNECT is for (RFC 9110, 9.3.6). @throws Refusal 400 */
export function tunnelTarget(authority: string): Target {
  const { host, port } = parseAuthority(authority);
  if (port === undefined) throw malformed('CONNECT takes a host and a port, as pypi.org:443');
  return { isSecure: true, host, port };
}

/** As a URL has it: the port that the scheme implies is left out. */
export function authorityOf({ isSecure, host, port }: Target): string {
  return port === (isSecure ? 443 : 80) ? host : `${host}:${port}`;
}

export function originOf(target: Target): string {
  return `http${target.isSecure ? 's' : ''}://${authorityOf(target)}`;
}

function parseAuthority(authority: string): { host: string; port?: number } {
  if (authority.includes('@')) throw malformed('A URL here has no user and password in it; send them in the header Authorization');
  const [, written = '', digits] = AUTHORITY.exec(authority) ?? [];
  const host = normalHost(written);
  if (host === undefined || Number(digits ?? 0) > HIGHEST_PORT)
    throw malformed(
      'The host is none, or is spelled in an unusual way; give a name (in punycode, if it is not ASCII) or address as others write it',
    );
  return { host, ...(digits !== undefined && { port: Number(digits) }) };
}

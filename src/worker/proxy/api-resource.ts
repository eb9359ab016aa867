import { malformed } from './refusal.js';

/** RFC 3986: what a path and a query are made of. Anything else one program reads so and the next one otherwise. */
const TARGET = /^(?:[\w\-.~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/;
const OPERATION = /^\/[a-z][a-z0-9-]*\/v[0-9]{1,3}\/[^/]/;

/**
 * What a step's request is for: path and query at the service, as they are signed and sent. `/queue/v1/ping` and `/api/queue/v1/ping` are
 * the same. What comes out begins with `/api/<service>/<version>/` and leads nowhere else, however often somebody on the way decodes it.
 *
 * @param target as it stands in the request's line
 * @throws Refusal 400
 */
export function apiResource(target: string): string {
  if (!target.startsWith('/'))
    throw malformed('This proxy leads to one service: ask for a path as /queue/v1/ping, not for a URL, a host or *');
  if (!TARGET.test(target)) throw malformed('The URL has characters that must be percent-encoded (RFC 3986)');
  const path = target.split('?', 1).join();
  const operation = path.startsWith('/api/') ? path.slice('/api'.length) : path;
  assertPlain(operation);
  if (!OPERATION.test(operation))
    throw malformed('The path must be /<service>/<version>/…, as /queue/v1/ping, with or without /api before it');
  // The service refuses two signatures, and one of somebody else's is not this run's.
  if (/[?&]bewit=/.test(target))
    throw malformed('The URL is signed already (bewit): leave that out, for the proxy signs; or call it without the proxy');
  return `/api${operation}${target.slice(path.length)}`;
}

/** Names with slashes are one segment with %2F (RFC 3986, 2.2), so that is right; what it may not spell is another path. */
function assertPlain(path: string): void {
  const decoded = decode(path);
  if (/%(?:2e|2f|5c|25)/i.test(decoded)) throw malformed('The path is percent-encoded twice; encode each name in it once');
  if (/[\p{Cc}\\]/u.test(decoded)) throw malformed('The path has a backslash or a control character in it');
  const segments = decoded.split('/').slice(1);
  // some servers drop what follows a semicolon, and `..;` is then a way up
  const names = segments.map((segment) => segment.split(';', 1).join());
  if (names.some((name) => name === '.' || name === '..')) throw malformed('The path has . or .. in it; write where it leads');
  if (names.slice(0, -1).includes('')) throw malformed('The path has an empty segment (//)');
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw malformed('The path is not percent-encoded UTF-8');
  }
}

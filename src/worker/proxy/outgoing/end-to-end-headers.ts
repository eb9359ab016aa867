import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';

/** Of one connection, and not of the message (RFC 9110, 7.6.1), or about this proxy. */
const OF_THE_CONNECTION = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Of a request, what is not passed on, either: the host follows from the target, the body is asked for here, its length is told anew. */
const WRITTEN_ANEW = ['host', 'expect', 'content-length'];

/** A proxy says that it was on the way (RFC 9110, 7.6.3). */
const VIA = '1.1 leasehold';

/**
 * Of a request, what goes to another server. What it says of itself there, Authorization and Cookie among it, is the step's business: these
 * are no secrets of ours. How its body ends is always told, whatever the method, or that would be read there as the next request.
 */
export function outgoingHeaders(request: IncomingMessage, host: string): OutgoingHttpHeaders {
  const { 'transfer-encoding': chunked, 'content-length': length } = request.headers;
  return {
    ...endToEnd(request, WRITTEN_ANEW),
    host,
    ...(chunked !== undefined && { 'transfer-encoding': 'chunked' }),
    ...(chunked === undefined && length !== undefined && { 'content-length': length }),
  };
}

/** Of an answer, what goes to the step. */
export function answeredHeaders(response: IncomingMessage): OutgoingHttpHeaders {
  return endToEnd(response, []);
}

/** Every line of each, as it came. */
function endToEnd(message: IncomingMessage, but: readonly string[]): OutgoingHttpHeaders {
  const lines = linesOf(message);
  const named = (lines.get('connection') ?? []).flatMap((line) => line.split(',')).map((name) => name.trim().toLowerCase());
  for (const name of [...OF_THE_CONNECTION, ...named, ...but]) lines.delete(name);
  return { ...Object.fromEntries(lines), via: [...(lines.get('via') ?? []), VIA] };
}

/** Not from `headers`, which drops some that are there twice; nor from `headersDistinct`, which stumbles over a name as `__proto__`. */
function linesOf({ rawHeaders }: IncomingMessage): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = rawHeaders.slice(index, index + 2);
    lines.set(name.toLowerCase(), [...(lines.get(name.toLowerCase()) ?? []), value]);
  }
  return lines;
}

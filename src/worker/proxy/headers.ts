import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/**
 * What the API reads. Only that is passed on: what stands before the service may believe any other header (who calls, for which host or
 * path), and its next version, too.
 */
const PASSED_ON = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'range',
  'user-agent',
  'x-taskcluster-skip-cdn',
  'x-taskcluster-trace-id',
];

/** Of one connection (RFC 9110, 7.6.1); about credentials that the step does not have; or setting what this proxy would never send back. */
const KEPT_BACK = [
  'authentication-info',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'server-authorization',
  'set-cookie',
  'set-cookie2',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'www-authenticate',
];

/** Of a request, those that go to the service. */
export function requestHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(PASSED_ON.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]]));
}

/** Of an answer, those that go to the step. */
export function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const ofTheConnection = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const keptBack = new Set([...KEPT_BACK, ...ofTheConnection]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !keptBack.has(name)));
}

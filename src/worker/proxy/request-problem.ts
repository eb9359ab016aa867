import type { IncomingMessage } from 'node:http';
import type { ProxyLimits } from './limits.js';
import { malformed, Refusal } from './refusal.js';

/** What is wrong with a request, wherever it leads. */
export function requestProblem({ headers, rawHeaders }: IncomingMessage, { bodyBytes }: ProxyLimits): Refusal | undefined {
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  if (hosts.length > 1) return malformed('There are two Host headers; send one'); // RFC 9112, 3.2
  if (headers.upgrade !== undefined) return malformed('Connections are not upgraded here; send plain HTTP/1.1');
  if (!/^(100-continue)?$/i.test(headers.expect ?? '')) return malformed('Nothing but 100-continue can be expected');
  return Number(headers['content-length'] ?? 0) > bodyBytes ? tooLarge(bodyBytes) : undefined;
}

/**
 * Throws Refusal for a method that is not among those, and for a body that the next server may not expect: without a length it would
 * follow the request unframed, and be read as the next one.
 */
export function assertRequest({ method = '', headers }: IncomingMessage, methods: readonly string[]): void {
  // TRACE above all is never among them: it is answered with the request as it was sent, signature and all
  if (!methods.includes(method)) throw new Refusal(405, 'InvalidRequestArguments', `Only ${methods.join(', ')} are passed on`);
  if (['GET', 'HEAD', 'DELETE'].includes(method) && hasBody(headers)) throw malformed(`A ${method} has no body; leave it out`);
}

/** Whether it has a body, or may have one. */
export function hasBody(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** 413. */
export function tooLarge(mostBytes: number): Refusal {
  return new Refusal(413, 'InputTooLarge', `The body is larger than the ${mostBytes} bytes that a step may send; send less`);
}

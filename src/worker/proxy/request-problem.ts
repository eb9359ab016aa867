import type { IncomingMessage } from 'node:http';
import type { ProxyLimits } from './limits.js';
import { malformed, Refusal } from './refusal.js';

const READING = ['GET', 'HEAD'];
const METHODS = [...READING, 'POST', 'PUT', 'DELETE'];

/** What is wrong with a request, whatever it is for. */
export function requestProblem({ method = '', headers }: IncomingMessage, { bodyBytes }: ProxyLimits): Refusal | undefined {
  // TRACE above all: it is answered with the request as it was sent, signature and all
  if (!METHODS.includes(method)) return new Refusal(405, 'InvalidRequestArguments', `Only ${METHODS.join(', ')} are passed on`);
  if (headers.upgrade !== undefined) return malformed('Connections are not upgraded here; send plain HTTP/1.1');
  if (!/^(100-continue)?$/i.test(headers.expect ?? '')) return malformed('Nothing but 100-continue can be expected');
  // of these methods a body without a length would follow the request unframed, and the service would read it as the next one
  if ([...READING, 'DELETE'].includes(method) && hasBody(headers)) return malformed(`A ${method} has no body; leave it out`);
  return Number(headers['content-length'] ?? 0) > bodyBytes ? tooLarge(bodyBytes) : undefined;
}

function hasBody(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** 413. */
export function tooLarge(mostBytes: number): Refusal {
  return new Refusal(413, 'InputTooLarge', `The body is larger than the ${mostBytes} bytes that a step may send; send less`);
}

import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request as overHttp, type ServerResponse } from 'node:http';
import { request as overHttps } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Credentials } from '../../credentials/ext.js';
import { compatibilityHeaders } from './compatibility.js';
import { answerHeaders, requestHeaders } from './headers.js';
import type { ProxyLimits } from './limits.js';
import { Refusal } from './refusal.js';
import { tooLarge } from './request-problem.js';
import type { ServiceRoot } from './service-root.js';

export interface Call {
  request: IncomingMessage;
  answer: ServerResponse;
  /** Aborted, with why, when nobody waits for the answer any more, or for too long. */
  signal: AbortSignal;
  most: ProxyLimits;
}

/**
 * Sends a request to the service, signed, and its answer to the step, piece by piece: neither is read faster than the other end takes it.
 * It is written anew from what was understood of it, so what two programs might read in two ways is not in it.
 *
 * @throws Refusal where there is no answer; AbortError, or whatever ended it, where there was a part of one
 */
export async function passOn(call: Call, service: ServiceRoot, credentials: Credentials, resource: string): Promise<void> {
  const signed = { url: `${service.origin}${resource}`, clientId: credentials.clientId, scopes: service.scopes };
  const headersOf = ({ headers }: IncomingMessage) => ({ ...answerHeaders(headers), ...compatibilityHeaders(signed) });
  await relay(call, open(call, service, credentials, resource), headersOf, asRefusal);
}

/** Sends the request's body, and the answer to the step. Where there is no answer, `unreached` says what the step is told of it. */
export async function relay(
  call: Call,
  upstream: ClientRequest,
  headersOf: (response: IncomingMessage) => OutgoingHttpHeaders,
  unreached: (error: Error) => Refusal,
): Promise<void> {
  const { request, answer } = call;
  upstream.on('timeout', () => upstream.destroy(new Refusal(504, 'ServiceUnavailable', 'Nothing came for too long; try again')));
  try {
    const response = await answered(call, upstream, unreached);
    answer.writeHead(response.statusCode ?? 502, headersOf(response));
    answer.setTimeout(call.most.idleMs, () => answer.destroy()); // of who does not read it
    await pipeline(response, answer, { signal: call.signal });
  } finally {
    request.unpipe();
    upstream.destroy();
  }
}

function open({ request, signal, most }: Call, service: ServiceRoot, credentials: Credentials, resource: string): ClientRequest {
  const method = request.method ?? 'GET';
  return (service.isSecure ? overHttps : overHttp)({
    host: service.host.replace(/^\[|\]$/g, ''),
    port: service.port,
    method,
    path: resource,
    headers: {
      ...requestHeaders(request.headers),
      host: service.authority,
      authorization: service.authorization(credentials, method, resource),
    },
    agent: false, // a connection for each: one that is kept may be closed by the service just when a request is sent that cannot be repeated
    maxHeaderSize: most.headerBytes,
    insecureHTTPParser: false,
    timeout: most.idleMs,
    signal,
  });
}

/** Sends the body while it waits: the service may answer before it has read all of it. */
function answered(
  { request, signal, most, answer }: Call,
  upstream: ClientRequest,
  unreached: (error: Error) => Refusal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    upstream.once('response', resolve);
    upstream.once('close', () => reject(unreached(new Error('closed'))));
    upstream.on('error', (error) => reject(signal.aborted ? signal.reason : unreached(error))); // and later ones, which say nothing new
    if (request.headers.expect !== undefined) answer.writeContinue();
    request.pipe(bounded(most.bodyBytes, reject)).pipe(upstream);
  });
}

/** Lets a body through, as long as it is no larger. `tooMany` is told first, and then the stream fails. */
export function bounded(mostBytes: number, tooMany: (refusal: Refusal) => void): Transform {
  let bytes = 0;
  const counter = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      done(bytes > mostBytes ? tooLarge(mostBytes) : null, piece);
    },
  });
  return counter.on('error', tooMany);
}

/** The system's words have addresses in them; its code says enough. */
function asRefusal(error: NodeJS.ErrnoException): Refusal {
  if (error instanceof Refusal) return error;
  return new Refusal(502, 'ServiceUnavailable', `The service cannot be reached (${error.code ?? error.name}); try again soon`);
}

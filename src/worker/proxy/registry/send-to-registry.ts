import { type Agent, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import type { AddressKind } from '../../../registry-tokens/addresses.js';
import { RegistryAuthError } from '../../../registry-tokens/attempt.js';
import { dialOptions } from '../../../registry-tokens/dial.js';
import type { ProxyLimits } from '../limits.js';
import { Refusal } from '../refusal.js';
import { RegistryRefusal, untrusted } from './registry-refusal.js';

/** Nothing, bytes that can be sent again, or what writes them piece by piece as the step sends them. `failed` ends the request. */
export type Body = undefined | Buffer | ((upstream: ClientRequest, failed: (refusal: Refusal) => void) => void);

export interface Sending {
  /** Of the registry, or of where it has redirected. Only its origin is read here. */
  url: URL;
  /** Path and query, as they are to be sent. */
  target: string;
  method: string;
  headers: OutgoingHttpHeaders;
  body: Body;
  /** The only addresses that are connected to. */
  kinds: readonly AddressKind[];
  ca?: string;
  agent: Agent | false;
  signal: AbortSignal;
  most: ProxyLimits;
}

/** How a request was answered. Whoever has it must read the answer, or destroy it. */
export type Answered = IncomingMessage & { req: ClientRequest };

/**
 * Sends one request, once; one without a body twice if a connection that was kept was closed just then. A body that breaks off is never
 * ended as if it were whole: the connection is cut, so that no registry takes a part for all.
 *
 * @throws RegistryRefusal where there is no answer
 */
export async function sendToRegistry(sending: Sending): Promise<Answered> {
  try {
    return await sent(sending);
  } catch (error) {
    if (error instanceof RegistryAuthError) throw unreachable(error); // an address that is refused before it is connected to
    if (!(error instanceof ClosedBefore)) throw error;
    return sent({ ...sending, agent: false });
  }
}

class ClosedBefore extends Error {}

function sent(sending: Sending): Promise<Answered> {
  const { body, signal } = sending;
  return new Promise((resolve, reject) => {
    const upstream = open(sending);
    upstream.once('response', (response) => resolve(response as Answered));
    upstream.once('close', () => reject(unreachable(new Error('closed'))));
    upstream.on('error', (error) => {
      if (signal.aborted) reject(signal.reason);
      else reject(upstream.reusedSocket && body === undefined && isReset(error) ? new ClosedBefore() : unreachable(error));
    });
    if (typeof body === 'function') body(upstream, reject);
    else upstream.end(body);
  });
}

function open({ url, target, method, headers, kinds, ca, agent, signal, most }: Sending): ClientRequest {
  const isSecure = url.protocol === 'https:';
  const upstream = (isSecure ? overHttps : overHttp)({
    ...dialOptions(url, kinds),
    ...(isSecure && ca !== undefined && { ca }),
    ...{ method, path: target, headers: { ...headers, host: url.host }, agent, signal },
    maxHeaderSize: most.headerBytes,
    insecureHTTPParser: false,
    timeout: most.idleMs,
  });
  const late = new RegistryRefusal(504, 'UNKNOWN', `Nothing came from ${url.origin} for too long; try again`);
  return upstream.on('timeout', () => upstream.destroy(late));
}

const isReset = ({ code }: NodeJS.ErrnoException) => code === 'ECONNRESET' || code === 'EPIPE';

/** The system's words have addresses in them; its code says enough. */
function unreachable(error: NodeJS.ErrnoException): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof RegistryAuthError) return untrusted(error.message);
  return untrusted(`The registry cannot be reached (${error.code ?? error.name}); try again soon`);
}

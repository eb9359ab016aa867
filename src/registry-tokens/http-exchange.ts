import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import type { AddressKind } from './addresses.js';
import { dialOptions } from './dial.js';
import type { RegistrySettings } from './registry-settings.js';

export interface HttpRequest {
  method: 'GET' | 'POST';
  url: URL;
  headers: Record<string, string>;
  body?: string;
  /** Which addresses may be connected to. */
  kinds: readonly AddressKind[];
  tls?: RegistrySettings['tls'];
  /** Bytes of the answer's body. */
  most: number;
}

export interface HttpAnswer {
  status: number;
  /** One by one, as they came. */
  challenges: readonly string[];
  date?: string;
  retryAfter?: string;
  body: string;
}

/** One request, of which no redirect is followed. */
export type Exchange = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>;

/**
 * Over a connection of its own, so that nothing of another session is on it.
 *
 * @throws RegistryAuthError `address-refused`; TooLargeError; the signal's reason, or what Node says of a connection that fails
 */
export const exchange: Exchange = ({ method, url, headers, body, kinds, tls, most }, signal) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = (url.protocol === 'https:' ? overHttps : overHttp)({
      ...dialOptions(url, kinds),
      ...tls,
      method,
      path: `${url.pathname}${url.search}`,
      headers: {
        ...headers,
        'accept-encoding': 'identity',
        ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
      },
      agent: false,
      insecureHTTPParser: false,
      signal,
    });
    request.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    let isAnswered = false;
    // who switches protocols is hung up on, and nothing else tells of it
    request.on('close', () => isAnswered || reject(signal.aborted ? signal.reason : new Error('closed without an answer')));
    request.on('response', (answer) => {
      isAnswered = true;
      const pieces: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > most) request.destroy(new TooLargeError(`more than ${most} bytes`));
        else pieces.push(piece);
      });
      answer.on('error', (error) =>
        reject(signal.aborted ? signal.reason : bytes > most ? new TooLargeError(`more than ${most} bytes`) : error),
      );
      answer.on('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          challenges: answer.headersDistinct['www-authenticate'] ?? [],
          date: answer.headers.date,
          retryAfter: answer.headers['retry-after'],
          body: Buffer.concat(pieces).toString('utf8'),
        }),
      );
    });
    request.end(body);
  });

/** The answer is longer than one that is meant well. */
export class TooLargeError extends Error {}

import type { ServerResponse } from 'node:http';

const OVERSIZED_BYTES = 8 * 1024 ** 2;
const TRICKLE_EVERY_MS = 20;

/** How a token server treats one request; by default, well. */
export interface TokenConduct {
  /** It is answered when that has resolved: no test waits for time to pass. */
  until?: Promise<unknown>;
  /** Refuses, with these headers. */
  status?: number;
  headers?: Record<string, string>;
  redirectTo?: string;
  /** Instead of a token: JSON that is none, too much of it, or a byte now and then, for as long as somebody reads. */
  body?: 'garbage' | 'oversized' | 'trickle' | 'empty-token';
  /** Of the token, in seconds. */
  life?: number;
  /** What is said of the lifetime; null: nothing. */
  expiresIn?: number | null;
  /** Seconds by which its clock is wrong. */
  issuedAtSkew?: number;
  /** After the token: '\r\nX-Injected: 1' would be a header. */
  append?: string;
}

/** Answers, if it is not well that this is to be treated. */
export function misbehave({ status, headers = {}, redirectTo, body }: TokenConduct, response: ServerResponse): boolean {
  const json = { 'content-type': 'application/json' };
  if (redirectTo !== undefined) response.writeHead(302, { location: redirectTo }).end();
  else if (status !== undefined)
    response.writeHead(status, { ...json, ...headers }).end('{"errors":[{"code":"DENIED","message":"told to"}]}');
  else if (body === 'garbage') response.writeHead(200, json).end('{"token": "abc');
  else if (body === 'empty-token') response.writeHead(200, json).end('{"token": ""}');
  else if (body === 'oversized') response.writeHead(200, json).end(`{"token":"${'a'.repeat(OVERSIZED_BYTES)}"}`);
  else if (body === 'trickle') trickle(response.writeHead(200, json));
  else return false;
  return true;
}

function trickle(response: ServerResponse): void {
  const timer = setInterval(() => response.write(' '), TRICKLE_EVERY_MS).unref();
  response.on('close', () => clearInterval(timer));
}

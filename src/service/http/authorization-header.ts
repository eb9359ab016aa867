import type { FastifyRequest } from 'fastify';
import { AuthenticationError } from './authentication-error.js';

const NAME = 'authorization';

/**
 * The request's Authorization header. Throws AuthenticationFailed for two of them: Node keeps the first, others the last, and what a proxy
 * in front of us has looked at would not be what we believe.
 */
export function authorizationOf({ headers, raw }: Pick<FastifyRequest, 'headers' | 'raw'>): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined && count(raw.rawHeaders) > 1)
    throw new AuthenticationError('There are two Authorization headers; send one', undefined);
  return authorization;
}

/** Names and values alternate. */
function count(rawHeaders: readonly string[]): number {
  let found = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === NAME.length && name.toLowerCase() === NAME) found++;
  }
  return found;
}

import type { lookup } from 'node:dns';
import { RegistryAuthError } from '../../../registry-tokens/attempt.js';
import { type DialOptions, dialOptions } from '../../../registry-tokens/dial.js';
import { Refusal } from '../refusal.js';
import type { AllowedOrigin } from './allowed-origin.js';
import { originOf, type Target } from './target.js';

/** How to dial it: only an address of a kind that is allowed there, checked when it is dialled, so that no second answer of the DNS counts. */
export function reach(target: Target, { kinds }: AllowedOrigin, resolve?: typeof lookup): DialOptions {
  return dialOptions(new URL(originOf(target)), kinds, resolve);
}

/** Why it could not be reached. What the system says of that has addresses in it, which are none of the step's business. */
export function unreached(host: string, error: Error): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof RegistryAuthError)
    return new Refusal(
      403,
      'InsufficientScopes',
      `The address of ${host} is not of a kind that the worker's configuration allows there (outgoing)`,
    );
  const { code = error.name }: NodeJS.ErrnoException = error;
  return new Refusal(502, 'ServiceUnavailable', `${host} cannot be reached (${code}); try again soon`);
}

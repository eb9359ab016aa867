import { ApiError } from './api-error.js';

/** A scope ending in `**` is nearly always a slip, and the wire protocol refuses it. Throws InputError. */
export function assertNoDoubleStar(scopes: readonly string[]): void {
  const slip = scopes.find((scope) => scope.endsWith('**'));
  if (slip) throw new ApiError('InputError', `Scope ${slip} ends in **; one * at the end already matches everything that follows`);
}

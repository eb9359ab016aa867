import { ApiError } from './api-error.js';

/** Who signed a request, as its MAC proves. */
export interface Signer {
  clientId: string;
  /** See Quota. */
  account: string;
  /** The run, if it is one. */
  run?: { taskId: string; runId: number } | undefined;
}

/** Credentials that are not good, or no longer. `signer`: whose they were, where that is certain; a forger may write any name. */
export class AuthenticationError extends ApiError {
  constructor(
    message: string,
    readonly signer: Signer | undefined,
    options?: ErrorOptions,
  ) {
    super('AuthenticationFailed', message, options);
  }
}

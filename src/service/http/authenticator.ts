import type { Caller } from './caller.js';

/** What of a request decides who makes it. */
export interface SignedRequest {
  method: string;
  /** Path and query exactly as sent. */
  resource: string;
  host: string;
  port: number;
  authorization?: string;
  /** A proof that the sender of a token holds its key: the header `DPoP`. */
  proof?: string;
}

export interface Authenticated {
  caller: Caller;
  /** No credentials were sent. */
  anonymous: boolean;
  /** The payload hash under the MAC; whoever holds the body compares it. */
  hash?: string;
}

/** Finds out who makes a request. The auth room implements it; the guard only knows this. */
export abstract class Authenticator {
  /**
   * Throws ApiError AuthenticationFailed. `ownRun` names a run whose life the request is about: its credentials may still make
   * that request after it has ended, so that the answer can be the outcome (409, or 200 for a repeat) instead of a riddle.
   */
  abstract authenticate(request: SignedRequest, ownRun?: { taskId: string; runId: string }): Promise<Authenticated>;

  /** On whose account a request takes what all share, as far as its header and what is in memory tell; who is not believed is a stranger. */
  abstract accountOf(request: SignedRequest): string;
}

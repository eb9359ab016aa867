import type { Signer } from './authentication-error.js';

export interface Refusal {
  code: 'AuthenticationFailed' | 'InsufficientScopes';
  /** Absent: a stranger, or somebody who was not believed. */
  signer: Signer | undefined;
  operation: string | undefined;
  /** Of the URL, as they were sent. */
  params: Record<string, string>;
  /** In the words of OAuth, where there is one. */
  error?: string | undefined;
}

/** Remembers who was refused. The audit room implements it; the filter only knows this. It takes no time, and never throws. */
export abstract class Refusals {
  abstract refused(refusal: Refusal): void;
}

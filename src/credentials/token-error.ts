import { CredentialError } from './credential-error.js';

/** What is wrong with a token or a proof. */
export type TokenProblem =
  | 'too-long'
  | 'malformed'
  | 'duplicate-key'
  | 'header'
  | 'type'
  | 'unknown-key'
  | 'algorithm'
  | 'signature'
  | 'claims'
  | 'scope'
  | 'issuer'
  | 'audience'
  | 'not-yet-valid'
  | 'expired'
  | 'key'
  | 'method'
  | 'url'
  | 'token-hash'
  | 'key-binding';

/** A task token, or a proof of possession, is refused. Programs tell refusals apart by `problem`; the message is for its bearer. */
export class TokenError extends CredentialError {
  constructor(
    readonly problem: TokenProblem,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

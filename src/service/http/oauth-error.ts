import { CredentialError } from '../../credentials/credential-error.js';
import { ApiError, type ErrorCode } from './api-error.js';
import type { Signer } from './authentication-error.js';
import { ErrorResponse } from './error-response.dto.js';
import type { Refusal } from './refusals.js';
import { OneOf, Text } from './shape.js';

/** What clients of OAuth are told: RFC 6749, 5.2, RFC 6750, 3.1, RFC 8707, 2, RFC 9449, 5, and for what is none of their doing RFC 6749, 4.1.2.1. */
export const OAUTH_ERRORS = {
  invalid_request: 'InputValidationError',
  invalid_client: 'AuthenticationFailed',
  invalid_token: 'AuthenticationFailed',
  invalid_grant: 'InputError',
  unauthorized_client: 'InputError',
  unsupported_grant_type: 'InputError',
  invalid_scope: 'InputError',
  invalid_target: 'InputError',
  invalid_dpop_proof: 'InputError',
  server_error: 'InternalServerError',
  temporarily_unavailable: 'ServiceUnavailable',
} as const satisfies Record<string, ErrorCode>;

export type OAuthErrorCode = keyof typeof OAUTH_ERRORS;

/** A refusal in the words of OAuth, beside those of our own catalogue. */
export class OAuthError extends ApiError {
  /** Whose token it was, where it is one of ours that is good no more, or not for that. */
  readonly signer: Signer | undefined;

  constructor(
    readonly error: OAuthErrorCode,
    message: string,
    options?: ErrorOptions & { code?: ErrorCode; signer?: Signer | undefined },
  ) {
    super(options?.code ?? OAUTH_ERRORS[error], message, options);
    this.signer = options?.signer;
  }
}

/** Which of these refuse what somebody may not do. Others tell of a mistake. */
const OF_AUTHORIZATION: readonly OAuthErrorCode[] = ['unauthorized_client', 'invalid_scope', 'invalid_target'];
const OF_AUTHENTICATION: readonly OAuthErrorCode[] = ['invalid_dpop_proof'];

/**
 * Whether somebody was refused, and why, for the audit log: they were not believed, or lack scopes. A subject_token that is good no more is
 * as much as credentials that are not.
 */
export function refusalOf(error: ApiError): Refusal['code'] | undefined {
  if (error.code === 'AuthenticationFailed' || error.code === 'InsufficientScopes') return error.code;
  if (!(error instanceof OAuthError)) return undefined;
  if (OF_AUTHORIZATION.includes(error.error)) return 'InsufficientScopes';
  const notBelieved = error.cause instanceof CredentialError || OF_AUTHENTICATION.includes(error.error);
  return notBelieved ? 'AuthenticationFailed' : undefined;
}

const OF_OURS: Partial<Record<ErrorCode, OAuthErrorCode>> = {
  AuthenticationFailed: 'invalid_client',
  InternalServerError: 'server_error',
  ServiceUnavailable: 'temporarily_unavailable',
};

/** Any refusal in these words; the description holds only what RFC 6749 lets it. */
export function inOAuthWords(error: ApiError): { error: OAuthErrorCode; error_description: string } {
  const code = error instanceof OAuthError ? error.error : (OF_OURS[error.code] ?? 'invalid_request');
  const description = error.message
    .replace(/\s+/g, ' ')
    .replace(/["\\]/g, "'")
    .replace(/[^\x20-\x7e]/g, '?');
  return { error: code, error_description: description.slice(0, 1000) };
}

/** How operations of OAuth refuse: in both words. */
export class OAuthErrorResponse extends ErrorResponse {
  @OneOf(Object.keys(OAUTH_ERRORS))
  error!: string;

  @Text({ description: 'As `message`, in the characters that RFC 6749 allows' })
  error_description!: string;
}

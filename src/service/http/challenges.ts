import { PROOF_ALGS } from '../../credentials/dpop.js';
import type { ApiError } from './api-error.js';
import { OAuthError } from './oauth-error.js';

const ALGS = `algs="${PROOF_ALGS.join(' ')}"`;

/** What every 401 says of how to authenticate (RFC 9110, 11.6.1): a line for each scheme, so that who knows one needs to read no other. */
export const CHALLENGES = ['hawk', 'Bearer', `DPoP ${ALGS}`];

/** The same of this refusal: who sent a token is told what is wrong with it (RFC 6750, 3; RFC 9449, 7.1). */
export function challengesOf(refusal: ApiError): string[] {
  const error = refusal instanceof OAuthError ? refusal.error : undefined;
  if (error === 'invalid_token') return ['hawk', 'Bearer error="invalid_token"', `DPoP error="invalid_token", ${ALGS}`];
  if (error === 'invalid_dpop_proof') return ['hawk', 'Bearer', `DPoP error="invalid_dpop_proof", ${ALGS}`];
  return CHALLENGES;
}

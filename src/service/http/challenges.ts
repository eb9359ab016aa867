import { PROOF_ALGS } from '../../credentials/dpop.js';
import type { ApiError } from './api-error.js';
import { OAuthError } from './oauth-error.js';
import { ScopesError } from './scopes-error.js';

const ALGS = `algs="${PROOF_ALGS.join(' ')}"`;
const BASIC = 'Basic realm="OAuth", charset="UTF-8"';

/** What every 401 says of how to authenticate (RFC 9110, 11.6.1): a line for each scheme, so that who knows one needs to read no other. */
export const CHALLENGES = ['hawk', 'Bearer', `DPoP ${ALGS}`];

/** The same where Basic is taken, as by all that take a form: who came with it is told of it (RFC 6749, 5.2). */
export const BASIC_CHALLENGES = [...CHALLENGES, BASIC];

/** The same of this refusal: who sent a token is told what is wrong with it (RFC 6750, 3; RFC 9449, 7.1). */
export function challengesOf(refusal: ApiError, takesBasic: boolean): string[] {
  const error = refusal instanceof OAuthError ? refusal.error : undefined;
  const basic = takesBasic ? [BASIC] : [];
  if (error === 'invalid_token') return ['hawk', 'Bearer error="invalid_token"', `DPoP error="invalid_token", ${ALGS}`, ...basic];
  if (error === 'invalid_dpop_proof') return ['hawk', 'Bearer', `DPoP error="invalid_dpop_proof", ${ALGS}`, ...basic];
  return takesBasic ? BASIC_CHALLENGES : CHALLENGES;
}

/** What a 403 says to who came with a token: with which scopes it would do (RFC 6750, 3.1). */
export function scopeChallenge(refusal: ApiError, authorization = ''): string {
  const enough = refusal instanceof ScopesError ? refusal.enough : undefined;
  const error = `error="insufficient_scope"${enough === undefined ? '' : `, scope="${enough}"`}`;
  return /^dpop/i.test(authorization) ? `DPoP ${error}, ${ALGS}` : `Bearer ${error}`;
}

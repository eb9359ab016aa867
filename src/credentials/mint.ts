import { CERTIFICATE_SKEW_MS, issueTemporaryCredentials } from './certificate.js';
import type { Credentials } from './ext.js';
import type { LentCredentials } from './lent-credentials.js';
import { certificateScopes, type HeldRun, runClientId } from './run-grant.js';

/**
 * Lends a worker the credentials of the run it holds. They are dated back by the clock skew others are allowed, and end a grace
 * after the lease, so that a signed URL made just before a reclaim is still good; whether they grant anything until then is
 * decided by the run, at each use.
 *
 * @param issuer the queue's own client and its key
 * @param now unix milliseconds
 * @param lent where they are remembered
 */
export function mintRunCredentials(
  run: HeldRun,
  issuer: { clientId: string; accessToken: string },
  now: number,
  graceMs: number,
  lent: LentCredentials,
): Required<Credentials> {
  const takenUntil = run.takenUntil.getTime();
  const request = {
    issuer,
    name: runClientId(run),
    scopes: certificateScopes(run),
    start: Math.min(now, takenUntil) - CERTIFICATE_SKEW_MS,
    expiry: takenUntil + Math.round(graceMs),
  };
  const credentials = issueTemporaryCredentials(request);
  lent.remember(credentials, request);
  return credentials;
}

import { CredentialError } from '../../credentials/credential-error.js';
import { payloadHashMatches } from '../../credentials/hawk.js';
import { normalizeScopes } from '../../scopes/scope-set.js';
import { ApiError } from '../http/api-error.js';
import type { SignedRequest } from '../http/authenticator.js';
import { Caller } from '../http/caller.js';
import { type Directory, identify, restrict } from './identify.js';
import { ANONYMOUS } from './registry.js';

/** What the payload hash is over; both are empty where there is none. */
export interface SentBody {
  contentType: string | undefined;
  bytes: string | Buffer;
}

/**
 * Authenticates a request against one client that everybody knows, `tester` with the token `no-secret`, and no roles: it opens
 * nothing but the two operations that try out signing. Throws ApiError AuthenticationFailed.
 */
export function testerCaller(request: SignedRequest, body: SentBody, scopes: string[], now: number): Caller {
  const tester = { clientId: 'tester', accessToken: 'no-secret', scopes, expires: new Date(now + 3_600_000), disabled: false };
  const directory: Directory = { client: (clientId) => (clientId === 'tester' ? tester : undefined), expand: normalizeScopes };
  try {
    const identity = identify(request, directory, now);
    if (!identity) return new Caller(undefined, [ANONYMOUS], tester.expires);
    const held = restrict(identity, directory.expand([...identity.scopes, ANONYMOUS]), directory, ANONYMOUS);
    identity.verifyMac();
    if (identity.hash !== undefined && !payloadHashMatches(identity.hash, body.contentType, body.bytes)) {
      throw new CredentialError('Invalid payload hash: the Authorization header signs another body or content type');
    }
    return new Caller(identity.clientId, held, identity.expires);
  } catch (error) {
    if (error instanceof CredentialError) throw new ApiError('AuthenticationFailed', error.message, { cause: error });
    throw error;
  }
}

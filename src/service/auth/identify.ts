import { bewitFromUrl, parseBewit, verifyBewit } from '../../credentials/bewit.js';
import { type CertificateGrant, certificateIssuer, verifyAuthorizedScopes, verifyCertificate } from '../../credentials/certificate.js';
import { CredentialError } from '../../credentials/credential-error.js';
import { decodeExt } from '../../credentials/ext.js';
import { parseAuthorization, verifyHeader } from '../../credentials/hawk.js';
import { holdsAll } from '../../scopes/scope-set.js';
import type { SignedRequest } from '../http/authenticator.js';

interface Holder {
  clientId: string;
  accessToken: string;
  scopes: readonly string[];
  expires: Date;
  disabled: boolean;
}

/** Who may sign, and what scopes amount to. */
export interface Directory {
  client(clientId: string): Holder | undefined;
  expand(scopes: readonly string[]): string[];
  /** What a certificate of this very `ext` is known to grant, of an issuer that is still to be loaded. */
  lent?(clientId: string, ext: string | undefined, now: number): CertificateGrant | undefined;
}

/** Whom a request claims to be from, certificate and all checked, but for the MAC. */
export interface Identity {
  clientId: string;
  /** Whose permanent token stands behind it. */
  issuer: string;
  /** Of the certificate, or of the client. Not expanded. */
  scopes: readonly string[];
  /** Whether a certificate grants them. */
  temporary: boolean;
  /** What the caller restricts itself to, if it does. */
  authorizedScopes: readonly string[] | undefined;
  expires: Date;
  /** A signed URL (bewit) instead of a header. */
  signedUrl: boolean;
  hash?: string;
  /** Throws CredentialError unless the request was signed with the identity's key, recently. */
  verifyMac(): void;
}

/**
 * Finds out who signed a request: the checks of the wire protocol in its order, up to the authorizedScopes' form. Undefined: no
 * credentials were sent. Throws CredentialError. `now` is unix milliseconds.
 */
export function identify(request: SignedRequest, directory: Directory, now: number): Identity | undefined {
  const { authorization } = request;
  const signedUrl = bewitFromUrl(request.resource);
  if (signedUrl && authorization !== undefined) {
    throw new CredentialError(
      "Cannot use two authentication schemes at once this request has both bewit in querystring and 'authorization' header",
    );
  }
  if (signedUrl) {
    const bewit = parseBewit(signedUrl.bewit, request.method);
    const signed = { ...request, resource: signedUrl.resource };
    const identity = present(bewit.id, bewit.ext, directory, now, (accessToken) => verifyBewit(accessToken, signed, bewit, now));
    identity.signedUrl = true;
    return identity;
  }
  if (authorization === undefined) return undefined;
  const attributes = parseAuthorization(authorization);
  const verify = (accessToken: string) => verifyHeader(accessToken, request, attributes, now);
  const identity = present(attributes.id, attributes.ext, directory, now, verify);
  if (attributes.hash !== undefined) identity.hash = attributes.hash;
  return identity;
}

/**
 * Loads the client behind the presented id, checks the certificate if there is one, and the form of authorizedScopes. Built without
 * spreads, here and in all that each signed request goes through: V8 takes 10 µs and more for some of them.
 */
function present(
  clientId: string,
  extText: string | undefined,
  directory: Directory,
  now: number,
  verify: (accessToken: string) => void,
): Identity {
  const lent = directory.lent?.(clientId, extText, now);
  const ext = lent ? {} : decodeExt(extText);
  const issuer = load(lent ? lent.issuer : certificateIssuer(clientId, ext.certificate), directory, now);
  let { accessToken, scopes, expires } = issuer;
  const grant = lent ?? verifyGrant(clientId, ext.certificate, issuer, directory, now);
  if (grant) {
    ({ accessToken, scopes } = grant);
    expires = new Date(Math.min(expires.getTime(), grant.expiry));
  }
  const authorizedScopes = ext.authorizedScopes === undefined ? undefined : verifyAuthorizedScopes(ext.authorizedScopes);
  return {
    clientId,
    issuer: issuer.clientId,
    scopes,
    temporary: grant !== undefined,
    expires,
    authorizedScopes,
    signedUrl: false,
    verifyMac: () => verify(accessToken),
  };
}

/** What the certificate grants, if there is one. */
function verifyGrant(clientId: string, certificate: unknown, issuer: Holder, directory: Directory, now: number) {
  if (certificate === undefined) return undefined;
  const { clientId: id, accessToken, scopes } = issuer;
  return verifyCertificate({ clientId, certificate, issuer: { clientId: id, accessToken, scopes: directory.expand(scopes) }, now });
}

function load(clientId: string, directory: Directory, now: number): Holder {
  const client = directory.client(clientId);
  if (!client) throw new CredentialError(`Client with clientId '${clientId}' not found`);
  if (client.disabled) throw new CredentialError(`Client with clientId '${clientId}' is disabled`);
  if (client.expires.getTime() < now) throw new CredentialError(`Client with clientId: '${clientId}' has expired`);
  return client;
}

/**
 * What an identity may do, expanded: `held` (its own, with what anonymous callers have), or the authorizedScopes if it
 * restricts itself. Throws CredentialError if it authorizes more than it holds. The wire protocol wants that refusal before the one of a bad
 * MAC, so it names the scopes only to who signed with the key: anybody can write the id of a client into a header.
 */
export function restrict(
  { authorizedScopes, verifyMac }: Pick<Identity, 'authorizedScopes' | 'verifyMac'>,
  held: readonly string[],
  directory: Pick<Directory, 'expand'>,
  anonymous: string,
): readonly string[] {
  if (authorizedScopes === undefined) return held;
  if (holdsAll(held, authorizedScopes)) {
    verifyMac(); // only its signer makes us expand what a header says
    return directory.expand([...authorizedScopes, anonymous]);
  }
  const list = (scopes: readonly string[]) => `\`\`\`\n${scopes.join('\n')}\n\`\`\``;
  const refusal = 'Supplied credentials do not satisfy authorizedScopes';
  if (!passes(verifyMac)) throw new CredentialError(refusal);
  throw new CredentialError(`${refusal}; credentials have scopes:\n${list(held)}\nauthorizedScopes are:\n${list(authorizedScopes)}`);
}

/** Whether a request was signed with the key of whom it claims to be from. */
export function isProven({ verifyMac }: Pick<Identity, 'verifyMac'>): boolean {
  return passes(verifyMac);
}

function passes(verify: () => void): boolean {
  try {
    verify();
    return true;
  } catch (error) {
    if (error instanceof CredentialError) return false;
    throw error;
  }
}

import { isScope } from '../scopes/scope.js';
import { holdsAll, holdsScope } from '../scopes/scope-set.js';
import { CredentialError } from './credential-error.js';
import type { Credentials } from './ext.js';
import { digestsEqual, hmac } from './hmac.js';
import { slugid } from './slugid.js';

/** Longest span of a certificate. Temporary credentials cannot be listed or revoked one by one, so they must end. */
export const MAX_CERTIFICATE_SPAN_MS = 31 * 24 * 60 * 60 * 1000;

/** How far the issuer's clock may be from ours, at either end: issuers date certificates without any allowance of their own. */
export const CERTIFICATE_SKEW_MS = 5 * 60 * 1000;

const SEED_LENGTH = 44;

/**
 * Names that can stand in a signed text: printable ASCII. That text is a list of lines, so a name with a line feed could hold the lines of
 * another certificate and be passed off under its signature; no header can carry such a name, but the id of a bewit can. Scopes are kept
 * to a narrower alphabet by `isScope`, and a seed, though of any characters, is always 44 of them: one text has one reading.
 */
const NAME = /^[ -~]+$/;

/** The public half of temporary credentials. `start` and `expiry` are unix milliseconds; `issuer` is there iff the credentials are named. */
export interface Certificate {
  version: 1;
  scopes: string[];
  start: number;
  expiry: number;
  seed: string;
  signature: string;
  issuer?: string;
}

/** What to issue. `issuer` is permanent; `start` and `expiry` are unix milliseconds; a `seed` is drawn when none is given. */
export interface CertificateRequest {
  issuer: { clientId: string; accessToken: string };
  name?: string;
  scopes: readonly string[];
  start: number;
  expiry: number;
  seed?: string;
}

/** What to check. `issuer` is the client named by `certificateIssuer`, its scopes expanded; `now` is unix milliseconds. */
export interface CertificateClaim {
  clientId: string;
  certificate: unknown;
  issuer: { clientId: string; accessToken: string; scopes: readonly string[] };
  now: number;
}

/** What a valid certificate grants. `accessToken` is the temporary one, the key of the MAC; `expiry` may be up to 5 minutes past. */
export interface CertificateGrant {
  scopes: string[];
  expiry: number;
  accessToken: string;
  issuer: string;
}

/**
 * Makes temporary credentials offline, from nothing but the issuer's own token. Whether the issuer may (`auth:create-client:<name>`, and
 * holding the scopes) is found out when they are used.
 *
 * @throws RangeError when they would end before they start or last longer than 31 days
 * @throws TypeError for a name, scope, time or seed that would not be accepted back
 */
export function issueTemporaryCredentials(request: CertificateRequest): Required<Credentials> {
  const { issuer, name, scopes, start, expiry, seed = slugid() + slugid() } = request;
  refuseUnissuable(request, seed);
  const clientId = name ?? issuer.clientId;
  const certificate: Certificate = { version: 1, scopes: [...scopes], start, expiry, seed, signature: '' };
  if (name !== undefined) certificate.issuer = issuer.clientId;
  certificate.signature = hmac(issuer.accessToken, signedText(clientId, certificate), 'base64');
  return { clientId, accessToken: hmac(issuer.accessToken, seed, 'base64url'), certificate: JSON.stringify(certificate) };
}

function refuseUnissuable({ issuer, name, scopes, start, expiry }: CertificateRequest, seed: string): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(expiry) || !scopes.every(isScope) || seed.length !== SEED_LENGTH) {
    throw new TypeError('temporary credentials need times in whole milliseconds, valid scopes and a seed of 44 characters');
  }
  if (!NAME.test(issuer.clientId) || (name !== undefined && (!NAME.test(name) || name === issuer.clientId))) {
    throw new TypeError('temporary credentials need printable names, and one other than that of their issuer');
  }
  if (expiry < start || expiry - start > MAX_CERTIFICATE_SPAN_MS) {
    throw new RangeError('temporary credentials must end after they start and cannot last longer than 31 days');
  }
}

/** The text under a certificate's signature. Scopes stand in the order of the certificate, unsorted. */
function signedText(clientId: string, { issuer, seed, start, expiry, scopes }: Omit<Certificate, 'signature'>): string {
  const names = issuer ? `clientId:${clientId}\nissuer:${issuer}\n` : '';
  const terms = `seed:${seed}\nstart:${start}\nexpiry:${expiry}\nscopes:`;
  return `version:1\n${names}${[terms, ...scopes].join('\n')}`;
}

/**
 * Which client has to be loaded before a certificate can be checked: its issuer, or the presented client itself when it is unnamed or absent.
 *
 * @throws CredentialError `ext.certificate.issuer must be a string`, `ext.certificate.issuer must differ from the supplied clientId`
 */
export function certificateIssuer(clientId: string, certificate: unknown): string {
  const issuer = (certificate as { issuer?: unknown } | null | undefined)?.issuer;
  if (!issuer) return clientId;
  demand(typeof issuer === 'string', 'ext.certificate.issuer must be a string');
  demand(issuer !== clientId, 'ext.certificate.issuer must differ from the supplied clientId');
  return issuer;
}

/**
 * Checks a certificate: its form, its period, what its issuer may hand out, and last the issuer's signature. The holder of the temporary
 * token is not known by this; that is for the MAC, made with the returned `accessToken`.
 *
 * @throws CredentialError `ext.certificate…`, the first that fails
 * @throws Error when `issuer` is not the client that `certificateIssuer` names: a mistake of ours, never the caller's
 */
export function verifyCertificate({ clientId, certificate, issuer, now }: CertificateClaim): CertificateGrant {
  if (certificateIssuer(clientId, certificate) !== issuer.clientId) {
    throw new Error('a certificate can only be checked against its own issuer');
  }
  const terms = readCertificate(certificate);
  checkPeriod(terms, now);
  checkDelegation(clientId, terms, issuer);
  checkSignature(clientId, terms, issuer);
  const accessToken = hmac(issuer.accessToken, terms.seed, 'base64url');
  return { scopes: [...terms.scopes], expiry: terms.expiry, accessToken, issuer: issuer.clientId };
}

function readCertificate(certificate: unknown): Certificate & { clientId?: unknown } {
  demand(typeof certificate === 'object' && certificate !== null, 'ext.certificate must be a JSON object');
  const { version, seed, start, expiry, scopes } = certificate as Partial<Record<keyof Certificate, unknown>>;
  demand(version === 1, 'ext.certificate.version must be 1');
  demand(typeof seed === 'string', 'ext.certificate.seed must be a string');
  demand(seed.length === SEED_LENGTH, 'ext.certificate.seed must be 44 characters');
  // NaN is neither before nor after any instant and would pass every check of the period.
  demand(typeof start === 'number' && !Number.isNaN(start), 'ext.certificate.start must be a number');
  demand(typeof expiry === 'number' && !Number.isNaN(expiry), 'ext.certificate.expiry must be a number');
  demand(Array.isArray(scopes), 'ext.certificate.scopes must be an array');
  demand(scopes.every(isScope), 'ext.certificate.scopes must be an array of valid scopes');
  return certificate as Certificate;
}

function checkPeriod({ start, expiry }: Certificate, now: number): void {
  demand(start <= now + CERTIFICATE_SKEW_MS, 'ext.certificate.start > now');
  demand(expiry >= now - CERTIFICATE_SKEW_MS, 'ext.certificate.expiry < now');
  demand(expiry - start <= MAX_CERTIFICATE_SPAN_MS, 'ext.certificate cannot last longer than 31 days!');
}

function checkDelegation(clientId: string, certificate: Certificate & { clientId?: unknown }, issuer: CertificateClaim['issuer']): void {
  const { scopes } = certificate;
  const prefix = `ext.certificate issuer \`${issuer.clientId}\` doesn't`;
  if (certificate.issuer) {
    const required = `auth:create-client:${clientId}`;
    demand(holdsScope(issuer.scopes, required), `${prefix} have \`${required}\` for supplied clientId.`);
  } else {
    // Unsigned there, it could make a reader of the certificate believe in a name nobody vouched for.
    demand(!('clientId' in certificate), 'ext.certificate.clientId must only be used with ext.certificate.issuer');
  }
  if (!holdsAll(issuer.scopes, scopes)) {
    const list = scopes.join(', ');
    throw new CredentialError(`${prefix} satisfy all certificate scopes ${list}.  The temporary credentials were not generated correctly.`);
  }
}

function checkSignature(clientId: string, certificate: Certificate, issuer: CertificateClaim['issuer']): void {
  const signature: unknown = certificate.signature;
  const text = signedText(clientId, certificate);
  // Taskcluster's JavaScript issuer ends the text with a line feed when there are no scopes; its other issuers do not. Take both.
  const texts = certificate.scopes.length === 0 ? [text, `${text}\n`] : [text];
  const readable = NAME.test(clientId) && NAME.test(issuer.clientId);
  const signed = typeof signature === 'string' && texts.some((one) => digestsEqual(hmac(issuer.accessToken, one, 'base64'), signature));
  const doubt = certificate.issuer ? ', or wrong clientId provided' : '';
  demand(readable && signed, `ext.certificate.signature is not valid${doubt}`);
}

/**
 * Reads the scopes a caller restricts itself to. An empty list is a restriction too: to nothing.
 *
 * @throws CredentialError `ext.authorizedScopes must be an array`, `ext.authorizedScopes must be an array of valid scopes`
 */
export function verifyAuthorizedScopes(value: unknown): string[] {
  demand(Array.isArray(value), 'ext.authorizedScopes must be an array');
  demand(value.every(isScope), 'ext.authorizedScopes must be an array of valid scopes');
  return [...value];
}

function demand(condition: boolean, refusal: string): asserts condition {
  if (!condition) {
    throw new CredentialError(refusal);
  }
}

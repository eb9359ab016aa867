import { CredentialError } from './credential-error.js';

/** What `ext` carries: the certificate of temporary credentials, and the scopes the caller restricts itself to. Both unchecked. */
export interface Ext {
  certificate?: unknown;
  authorizedScopes?: unknown;
}

/** Credentials as clients hold them; `certificate` is the JSON text handed out with temporary credentials, absent or `''` with permanent. */
export interface Credentials {
  clientId: string;
  accessToken: string;
  certificate?: string;
}

/** `ext` as standard base64 of JSON; `undefined` when there is nothing to say. An empty `authorizedScopes` says: no scopes at all. */
export function encodeExt({ certificate, authorizedScopes }: Ext): string | undefined {
  if (certificate === undefined && authorizedScopes === undefined) return undefined;
  return Buffer.from(JSON.stringify({ certificate, authorizedScopes })).toString('base64');
}

/** The `ext` with which `credentials` are presented. @throws TypeError when the certificate is not JSON (whose text is not repeated) */
export function extFor(credentials: Credentials, authorizedScopes: readonly string[] | undefined): string | undefined {
  const certificate = credentials.certificate ? parseCertificate(credentials.certificate) : undefined;
  return encodeExt({ certificate, authorizedScopes });
}

function parseCertificate(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TypeError('credentials.certificate must be the JSON text of a certificate');
  }
}

/**
 * Reads `ext`: either base64 alphabet (RFC 4648 §4, §5), padded or not, of a JSON object. Absent, or empty as in a bewit, it is `{}`; a
 * member that is `null` counts as absent.
 *
 * @throws CredentialError `Failed to parse ext`
 */
export function decodeExt(ext: string | undefined): Ext {
  if (!ext) return {};
  const { certificate, authorizedScopes } = parseObject(ext);
  return { certificate: certificate ?? undefined, authorizedScopes: authorizedScopes ?? undefined };
}

function parseObject(ext: string): Record<string, unknown> {
  try {
    // Buffer skips over characters that are not base64; one ext would have endless spellings, and a truncated one might pass.
    if (!/^[\w+/-]+={0,2}$/.test(ext)) throw new SyntaxError('not base64');
    const value: unknown = JSON.parse(Buffer.from(ext, 'base64').toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object');
    return value as Record<string, unknown>;
  } catch {
    throw new CredentialError('Failed to parse ext');
  }
}

import { createHmac } from 'node:crypto';
import type { Credential, CredentialFor } from './registry-settings.js';

/**
 * What is said of a repository: by the longest prefix that ends where a name in its path does, so that `team` is no prefix of `team-b/app`.
 * `_catalog` is of no repository (''): only what is said of all is for it.
 */
export function byLongestPrefix<T extends { prefix: string }>(said: readonly T[], repository: string): T | undefined {
  const fitting = said.filter(({ prefix }) => isPrefix(prefix, repository));
  return fitting.sort((one, other) => other.prefix.length - one.prefix.length)[0];
}

/** The credential of a repository; undefined: it is asked for as anybody. */
export function credentialFor(credentials: readonly CredentialFor[], repository: string): Credential | undefined {
  return byLongestPrefix(credentials, repository)?.credential;
}

function isPrefix(prefix: string, repository: string): boolean {
  const path = prefix.replace(/\/$/, '');
  return path === '' || repository === path || repository.startsWith(`${path}/`);
}

/**
 * What two credentials have in common only if they are the same. It is part of keys that may be seen in a debugger, so it is made with a
 * secret of the session: nobody finds a password by trying.
 */
export function fingerprintOf(credential: Credential | undefined, secret: Uint8Array): string {
  if (!credential) return 'anonymous';
  return createHmac('sha256', secret)
    .update(JSON.stringify(identity(credential)))
    .digest('base64url');
}

/** What of it nobody else may read. */
export function secretsOf(credential: Credential): readonly string[] {
  if (credential.kind === 'basic') return [credential.password];
  return credential.kind === 'refresh' ? [credential.token] : [];
}

function identity(credential: Credential): readonly string[] {
  if (credential.kind === 'basic') return ['basic', credential.username, credential.password];
  if (credential.kind === 'refresh') return ['refresh', credential.token];
  return ['signed', credential.realm, credential.fingerprint()];
}

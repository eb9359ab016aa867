import { describe, expect, it } from '@jest/globals';
import { credentialFor, fingerprintOf } from './credential-choice.js';
import type { Credential } from './registry-settings.js';

const of = (username: string): Credential => ({ kind: 'basic', username, password: 'x' });
const CREDENTIALS = ['team', 'team/inner/', 'other', ''].map((prefix) => ({ prefix, credential: of(prefix) }));

describe('the credential of a repository', () => {
  it.each([
    ['team', 'team'],
    ['team/app', 'team'],
    ['team-b/app', ''],
    ['team/inner/app', 'team/inner/'],
    ['team/innermost', 'team'],
    ['', ''],
  ])('8: of %j it is that of %j', (repository, prefix) => expect(credentialFor(CREDENTIALS, repository)).toEqual(of(prefix)));

  it('7: there may be none', () => expect(credentialFor(CREDENTIALS.slice(0, 3), 'team-b/app')).toBeUndefined());

  it('8: a prefix without one has none, whatever a shorter one has', () => {
    const credentials = [...CREDENTIALS, { prefix: 'team/public' }];
    expect(credentialFor(credentials, 'team/public/app')).toBeUndefined();
    expect(credentialFor(credentials, 'team/publicity')).toEqual(of('team'));
  });
});

describe('a fingerprint', () => {
  const [mine, others] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];

  it('6, 7: tells credentials from one another, and from none', () => {
    const signed = (by: string): Credential => ({
      kind: 'signed',
      realm: 'https://a.example',
      authorization: () => '',
      fingerprint: () => by,
    });
    const credentials = [undefined, of('a'), of('b'), { kind: 'refresh', token: 'a' } as const, signed('a'), signed('b')];
    const fingerprints = credentials.map((credential) => fingerprintOf(credential, mine));
    expect(new Set(fingerprints).size).toBe(credentials.length);
    expect(fingerprintOf(of('a'), mine)).toBe(fingerprints[1]);
  });

  it('74: says nothing of a credential to who does not know the secret of the session', () => {
    expect(fingerprintOf(of('a'), mine)).not.toBe(fingerprintOf(of('a'), others));
    expect(fingerprintOf(of('canary'), mine)).not.toMatch(/canary/);
  });
});

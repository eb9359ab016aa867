import fc from 'fast-check';
import { RegistryAuthError } from './attempt.js';
import { trustedRealm } from './realm.js';

const ORIGIN = 'https://registry.example.com';

/** The code of a refusal, or the URL. */
function outcome(realm: string, settings: Partial<Parameters<typeof trustedRealm>[1]> = {}, pinned?: string): string {
  try {
    return trustedRealm(realm, { origin: ORIGIN, ...settings }, pinned).href;
  } catch (error) {
    if (error instanceof RegistryAuthError) return error.code;
    throw error;
  }
}

describe('trustedRealm', () => {
  it.each([
    ['https://registry.example.com/token', 'https://registry.example.com/token'],
    ['https://registry.example.com', 'https://registry.example.com/'],
    ['https://registry.example.com:443/token', 'https://registry.example.com/token'],
    ['HTTPS://Registry.Example.COM/token', 'https://registry.example.com/token'],
    ['https://registry.example.com/token?tenant=a', 'https://registry.example.com/token?tenant=a'],
  ])('believes the registry about its own origin: %s', (realm, url) => {
    expect(outcome(realm)).toBe(url);
    expect(outcome(realm, { origin: `${ORIGIN}:443` })).toBe(url);
  });

  it.each([
    'https://auth.example.com/token',
    'https://registry.example.com:8443/token',
    'https://registry.example.com./token',
    'https://registry.example.com.evil.example/token',
    'https://evil.example/registry.example.com',
    'https://evil.example/?https://registry.example.com/token',
    'https://2130706433/token',
    'ftp://registry.example.com/token',
    'wss://registry.example.com/token',
  ])('61: a realm elsewhere is not trusted: %s', (realm) => {
    expect(outcome(realm)).toBe('realm-not-trusted');
  });

  it('61: a refusal names both origins, and nothing else of the realm', () => {
    expect(() => trustedRealm('https://auth.example.com/t0ken?key=s3cret', { origin: ORIGIN })).toThrow(
      /^(?=.*https:\/\/registry\.example\.com\b)(?=.*https:\/\/auth\.example\.com\b)(?!.*(?:t0ken|s3cret))/,
    );
    expect(() => trustedRealm('https://user:s3cret@auth.example.com/', { origin: ORIGIN })).toThrow(/registry\.example\.com(?!.*s3cret)/);
  });

  it.each([
    '/v2/team-b/token',
    '/v2/team-b/app/token?x=y',
    '/V2/team-b/token',
    '//v2/team-b/token',
    '/v2//team-b/token',
    '/%76%32/team-b/token',
    '/x/%2e%2e/v2/team-b/token',
    '/v2/team-b%2Ftoken',
  ])('8, 61: what one of its repositories could answer is no realm, unless it is configured: %s', (path) => {
    const realm = `${ORIGIN}${path}`;
    expect(outcome(realm)).toBe('realm-not-trusted');
    expect(outcome(realm, {}, realm)).toBe('realm-not-trusted');
    expect(outcome(realm, { realm })).toBe(new URL(realm).href);
    expect(() => trustedRealm(realm, { origin: ORIGIN })).toThrow(/let it be the realm in the registry's configuration/);
  });

  it.each(['/v2/token', '/v2/auth/', '/service/token', '/artifactory/api/docker/team/v2/token', '/jwt/auth'])(
    'and this is one: %s',
    (path) => {
      expect(outcome(`${ORIGIN}${path}`)).toBe(`${ORIGIN}${path}`);
    },
  );

  it('62: what is trusted for one registry is not for another', () => {
    const realm = 'https://auth.example.com/token';
    const trusting = { trustedRealms: ['https://auth.example.com'] };
    expect(outcome(realm, trusting)).toBe(realm);
    expect(outcome(realm, { ...trusting, origin: 'https://other.example.com' })).toBe(realm);
    expect(outcome(realm, { origin: 'https://other.example.com' })).toBe('realm-not-trusted');
  });

  it('62: origins are trusted with their scheme and port; an entry that is no origin counts for nothing', () => {
    const trusting = (...trustedRealms: string[]) => outcome('https://auth.example.com/token', { trustedRealms });
    expect(trusting('https://auth.example.com:443/')).toBe('https://auth.example.com/token');
    const others = [
      'http://auth.example.com',
      'https://auth.example.com:444',
      'https://auth.example.com/other',
      'auth.example.com',
      '*',
      '',
    ];
    expect(trusting(...others)).toBe('realm-not-trusted');
  });

  it('62: a configured realm is trusted as it is, and not what else is at its origin', () => {
    const settings = { realm: 'https://auth.example.com:443/a/token?x=y' };
    expect(outcome('https://auth.example.com/a/token?x=y', settings)).toBe('https://auth.example.com/a/token?x=y');
    for (const other of [
      'https://auth.example.com/b/token?x=y',
      'https://auth.example.com/a/token',
      'https://auth.example.com/a/token?x=z',
    ]) {
      expect(outcome(other, settings)).toBe('realm-not-trusted');
    }
  });

  it('63: http only for a registry that is reached by http, whoever trusts it', () => {
    const realm = 'http://auth.example.com/token';
    const trusting = { realm, trustedRealms: ['http://auth.example.com'] };
    expect(outcome('http://registry.example.com/token')).toBe('realm-not-trusted');
    expect(outcome(realm, trusting)).toBe('realm-not-trusted');
    expect(outcome(realm, { ...trusting, origin: 'http://127.0.0.1:5000' })).toBe(realm);
    expect(outcome('http://127.0.0.1:5000/token', { origin: 'http://127.0.0.1:5000' })).toBe('http://127.0.0.1:5000/token');
    expect(outcome('http://127.0.0.1:5001/token', { origin: 'http://127.0.0.1:5000' })).toBe('realm-not-trusted');
  });

  it.each([
    '',
    'registry.example.com',
    '/token',
    '//registry.example.com/token',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https:registry.example.com',
    'https:////registry.example.com/token',
    'https:\\\\registry.example.com\\token',
    'https://registry.example.com/token#',
    'https://registry.example.com#@auth.example.com/',
    'https://user:password@registry.example.com/token',
    'https://@registry.example.com/token',
    'https://registry.example.com\n/token',
    ' https://registry.example.com/token',
    'https://registry.exämple.com/token',
    'https://[::1/token',
    'https://registry.example.com:65536/',
    `https://registry.example.com/${'a'.repeat(2048)}`,
  ])('63: what is no plain URL is no realm: %j', (realm) => {
    expect(outcome(realm, { realm, trustedRealms: [realm, ORIGIN] })).toBe('bad-challenge');
  });

  it.each(['scope', 'service', 'account', 'client_id', 'grant_type', 'SCOPE', '%73cope', '+scope', 'x=1&scope', 'x;scope'])(
    '72: a realm cannot bring our own parameters along: ?%s=',
    (name) => {
      expect(outcome(`https://registry.example.com/token?${name}=repository:b:pull`)).toBe('bad-challenge');
    },
  );

  it('66: a realm that was used is not replaced, but by one that somebody has configured', () => {
    const first = 'https://registry.example.com/token';
    const second = 'https://registry.example.com/proxy_auth';
    expect(outcome(first, {}, first)).toBe(first);
    expect(outcome('https://registry.example.com:443/token', {}, first)).toBe(first);
    expect(outcome(second, {}, first)).toBe('realm-not-trusted');
    expect(outcome(`${first}?x`, {}, first)).toBe('realm-not-trusted');
    expect(outcome(second, { realm: second }, first)).toBe(second);
    expect(outcome(second, { trustedRealms: [ORIGIN] }, first)).toBe(second);
    expect(outcome('https://auth.example.com/', {}, 'https://auth.example.com/')).toBe('realm-not-trusted');
  });

  it('61: whatever a realm is, it is refused or at the origin of the registry', () => {
    const piece = fc.constantFrom(
      'https:',
      'http:',
      '/',
      '//',
      '\\',
      '@',
      ':',
      '#',
      '?',
      '.',
      '%2f',
      '\t',
      'registry.example.com',
      'evil',
      '443',
      '[::1]',
      'ä',
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join('')),
      fc.webUrl({ withQueryParameters: true }),
      fc.string(),
    );
    const start = fc.constantFrom('', 'https://', 'https://registry.example.com');
    fc.assert(
      fc.property(start, text, (before, after) => {
        const found = outcome(before + after);
        const isRefused = found === 'realm-not-trusted' || found === 'bad-challenge';
        expect(isRefused || new URL(found).origin === ORIGIN).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});

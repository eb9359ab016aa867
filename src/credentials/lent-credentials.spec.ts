import fc from 'fast-check';
import { type CertificateRequest, issueTemporaryCredentials, verifyCertificate } from './certificate.js';
import { type Credentials, decodeExt, extFor } from './ext.js';
import { LentCredentials } from './lent-credentials.js';

const NOW = 1_700_000_000_000;
const issuer = { clientId: 'static/issuer', accessToken: 'issuer-secret-0123456789abcdefghijklmnopqrstu' };

function issue(request: Partial<CertificateRequest> = {}) {
  const whole = { issuer, name: 'task-client/a', scopes: ['a:b'], start: NOW - 1_000, expiry: NOW + 1_000, ...request };
  return { request: whole, credentials: issueTemporaryCredentials(whole) };
}

function remembering(...issued: ReturnType<typeof issue>[]): LentCredentials {
  const lent = new LentCredentials();
  for (const { request, credentials } of issued) lent.remember(credentials, request);
  return lent;
}

const extOf = (credentials: Credentials, authorizedScopes?: string[]) => extFor(credentials, authorizedScopes);

/** What the certificate in an `ext` grants when it is verified, or nothing. */
function verified(clientId: string, ext: string | undefined, now: number) {
  try {
    return verifyCertificate({ clientId, certificate: decodeExt(ext).certificate, issuer: { ...issuer, scopes: ['*'] }, now });
  } catch {
    return undefined;
  }
}

describe('credentials that were lent', () => {
  const scope = fc.stringMatching(/^[!#-[\]-~]{1,40}$/);
  const name = fc.stringMatching(/^[ -~]{1,60}$/).filter((one) => one !== issuer.clientId);

  it('are known for what verification would find', () => {
    fc.assert(
      fc.property(name, fc.array(scope, { maxLength: 10 }), (name, scopes) => {
        const issued = issue({ name, scopes });
        const ext = extOf(issued.credentials);
        const found = remembering(issued).find(name, ext, NOW);
        expect(found).toEqual(verified(name, ext, NOW));
        expect(found?.accessToken).toBe(issued.credentials.accessToken);
      }),
    );
  });

  it('are not known by an ext with anything else in it', () => {
    const issued = issue();
    const { credentials } = issued;
    const lent = remembering(issued);
    const ext = extOf(credentials)!;
    const { scopes, ...rest } = JSON.parse(credentials.certificate);
    const others = [
      undefined,
      '',
      extOf(credentials, []),
      extOf(credentials, ['a:b']),
      ext.replace(/=+$/, ''),
      `${ext}=`,
      Buffer.from(credentials.certificate).toString('base64'),
      Buffer.from(`{"certificate": ${credentials.certificate}}`).toString('base64'),
      extOf({ ...credentials, certificate: JSON.stringify({ ...rest, scopes: [...scopes, '*'] }) }),
      extOf({ ...credentials, certificate: JSON.stringify({ ...rest, scopes, expiry: NOW + 2_000 }) }),
      extOf(issue().credentials),
    ];
    expect(lent.find(credentials.clientId, ext, NOW)).toBeDefined();
    for (const other of others) expect(lent.find(credentials.clientId, other, NOW)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(ext.length - 1), fc.constantFrom('A', 'b', '0', '+', '/', '-', '_', '=', '', 'xx'), (at, put) => {
        const changed = ext.slice(0, at) + put + ext.slice(at + 1);
        expect(lent.find(credentials.clientId, changed, NOW) === undefined).toBe(changed !== ext);
      }),
    );
  });

  it('are not known under another name', () => {
    const [one, other] = [issue({ name: 'task-client/a' }), issue({ name: 'task-client/b' })];
    const lent = remembering(one, other);
    for (const name of ['task-client/b', 'task-client/', 'task-client/A', '', issuer.clientId, '__proto__']) {
      expect(lent.find(name, extOf(one.credentials), NOW)).toBeUndefined();
    }
  });

  it('are not known outside their period, whatever clocks are allowed', () => {
    const issued = issue();
    const known = (now: number) => remembering(issued).find('task-client/a', extOf(issued.credentials), now) !== undefined;
    expect([NOW - 1_001, NOW - 1_000, NOW + 1_000, NOW + 1_001, Number.NaN].map(known)).toEqual([false, true, true, false, false]);
  });

  it('are the later ones where two have a name', () => {
    const [earlier, later] = [issue({ scopes: ['a'] }), issue({ scopes: ['b'] })];
    const lent = remembering(earlier, later);
    expect(lent.find('task-client/a', extOf(earlier.credentials), NOW)).toBeUndefined();
    expect(lent.find('task-client/a', extOf(later.credentials), NOW)?.scopes).toEqual(['b']);
  });

  it('are forgotten from the oldest', () => {
    const issued = Array.from({ length: 10 }, (_, index) => issue({ name: `task-client/${index}` }));
    const lent = new LentCredentials(3);
    for (const { request, credentials } of issued) lent.remember(credentials, request);
    const known = issued.filter(({ credentials }) => lent.find(credentials.clientId, extOf(credentials), NOW));
    expect(known).toEqual(issued.slice(7));
  });
});

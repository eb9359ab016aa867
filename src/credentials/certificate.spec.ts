import {
  CERTIFICATE_SKEW_MS,
  certificateIssuer,
  issueTemporaryCredentials,
  MAX_CERTIFICATE_SPAN_MS,
  verifyAuthorizedScopes,
  verifyCertificate,
} from './certificate.js';
import { CredentialError } from './credential-error.js';

const START = 1_700_000_000_000;
const EXPIRY = 1_700_001_200_000;
const SEED = 'A'.repeat(22) + 'B'.repeat(22);
const NAME = 'task-client/dSlITZ4yQgmvxxAi4A8fHQ/0/on/wg/wid/until/1700001200.123';
const SCOPES = ['queue:reclaim-task:dSlITZ4yQgmvxxAi4A8fHQ/0', 'a:b:*'];
const issuer = { clientId: 'static/issuer', accessToken: 'issuer-secret-0123456789abcdef', scopes: ['*'] };
const wish = { issuer, scopes: SCOPES, start: START, expiry: EXPIRY, seed: SEED };

type Change = Record<string, unknown>;

function issued(name?: string, change: Change = {}): Record<string, unknown> {
  return { ...JSON.parse(issueTemporaryCredentials({ ...wish, name }).certificate), ...change };
}

/** Checks a named certificate after a change to it, unless told otherwise. */
function verify(change: Change = {}, { name = NAME, now = START, scopes = ['*'], certificate = issued(NAME) as unknown } = {}) {
  const changed = { ...(certificate as object), ...change };
  return verifyCertificate({ clientId: name, certificate: changed, issuer: { ...issuer, scopes }, now });
}

describe('issueTemporaryCredentials', () => {
  it('makes the published example, unnamed', () => {
    const { clientId, accessToken, certificate } = issueTemporaryCredentials(wish);
    expect({ clientId, accessToken }).toEqual({ clientId: 'static/issuer', accessToken: '9bfBKQIfTnx6xDcNAejx3xgq5kYzuTnNiym46O3BL8E' });
    const signature = '3juL5Yos/s83ADVtUkgUosS5mep71mzUXuoG7igNZfo=';
    expect(certificate).toBe(JSON.stringify({ version: 1, scopes: SCOPES, start: START, expiry: EXPIRY, seed: SEED, signature }));
  });

  it('makes the published example, named', () => {
    const { clientId, accessToken, certificate } = issueTemporaryCredentials({ ...wish, name: NAME });
    expect({ clientId, accessToken }).toEqual({ clientId: NAME, accessToken: '9bfBKQIfTnx6xDcNAejx3xgq5kYzuTnNiym46O3BL8E' });
    const { signature, issuer: from } = JSON.parse(certificate);
    expect({ signature, from }).toEqual({ signature: 'ghwf9Y98FPazNCzMD6ZPUbs9i67k4BMtfzOTEEiQpcA=', from: 'static/issuer' });
  });

  it('draws a new seed of two slugids each time', () => {
    const slugids = /^([\w-]{8}[Q-T][\w-][CGKOSWaeimquy26-][\w-]{10}[AQgw]){2}$/;
    const seeds = [1, 2].map(() => JSON.parse(issueTemporaryCredentials({ ...wish, seed: undefined }).certificate).seed);
    expect(seeds).toEqual([expect.stringMatching(slugids), expect.stringMatching(slugids)]);
    expect(seeds[0]).not.toBe(seeds[1]);
  });

  it('lasts 31 days and no longer', () => {
    expect(() => issueTemporaryCredentials({ ...wish, expiry: START + MAX_CERTIFICATE_SPAN_MS })).not.toThrow();
    expect(() => issueTemporaryCredentials({ ...wish, expiry: START + MAX_CERTIFICATE_SPAN_MS + 1 })).toThrow(RangeError);
    expect(() => issueTemporaryCredentials({ ...wish, expiry: START - 1 })).toThrow(RangeError);
  });

  it.each([
    { scopes: ['a\nb'] },
    { scopes: [''] },
    { scopes: ['é'] },
    { name: 'a\nb' },
    { name: '' },
    { name: 'static/issuer' },
    { start: START + 0.5 },
    { expiry: Number.NaN },
    { seed: 'short' },
    { issuer: { ...issuer, clientId: 'a\nb' } },
  ])('will not issue %j', (change) => {
    expect(() => issueTemporaryCredentials({ ...wish, ...change })).toThrow(TypeError);
  });
});

describe('certificateIssuer', () => {
  it.each([undefined, null, 0, '', 'text', [], {}, { issuer: '' }, { issuer: null }])('is the client itself for %j', (certificate) => {
    expect(certificateIssuer('me', certificate)).toBe('me');
  });

  it('is the issuer of a named certificate', () => {
    expect(certificateIssuer('me', { issuer: 'boss' })).toBe('boss');
  });

  it.each([
    [1, 'ext.certificate.issuer must be a string'],
    [['boss'], 'ext.certificate.issuer must be a string'],
    ['me', 'ext.certificate.issuer must differ from the supplied clientId'],
  ])('refuses the issuer %j', (from, message) => {
    expect(() => certificateIssuer('me', { issuer: from })).toThrow(new CredentialError(message));
  });
});

describe('verifyCertificate', () => {
  it('grants what was issued', () => {
    expect(verify()).toEqual({
      scopes: SCOPES,
      expiry: EXPIRY,
      accessToken: '9bfBKQIfTnx6xDcNAejx3xgq5kYzuTnNiym46O3BL8E',
      issuer: 'static/issuer',
    });
    expect(verify({}, { name: 'static/issuer', certificate: issued() })).toMatchObject({ scopes: SCOPES, issuer: 'static/issuer' });
  });

  it('is not confused by a clientId key in a named certificate', () => {
    expect(verify({ clientId: 'someone' }).scopes).toEqual(SCOPES);
  });

  it('will not check a certificate against a client that did not issue it', () => {
    const other = { ...issuer, clientId: 'other' };
    const check = () => verifyCertificate({ clientId: NAME, certificate: issued(NAME), issuer: other, now: START });
    expect(check).toThrow('a certificate can only be checked against its own issuer');
    expect(check).not.toThrow(CredentialError);
  });

  const ORDER: [Change, string][] = [
    [{ version: 2 }, 'ext.certificate.version must be 1'],
    [{ seed: 1 }, 'ext.certificate.seed must be a string'],
    [{ start: '0' }, 'ext.certificate.start must be a number'],
    [{ expiry: null }, 'ext.certificate.expiry must be a number'],
    [{ scopes: 'a' }, 'ext.certificate.scopes must be an array'],
    [{ signature: 'x' }, 'ext.certificate.signature is not valid, or wrong clientId provided'],
  ];

  it.each([
    ...ORDER,
    [{ version: '1' }, 'ext.certificate.version must be 1'],
    [{ seed: 'short' }, 'ext.certificate.seed must be 44 characters'],
    [{ start: Number.NaN }, 'ext.certificate.start must be a number'],
    [{ expiry: Number.NaN }, 'ext.certificate.expiry must be a number'],
    [{ scopes: { length: 0 } }, 'ext.certificate.scopes must be an array'],
    [{ scopes: [...SCOPES, 1] }, 'ext.certificate.scopes must be an array of valid scopes'],
    [{ scopes: ['a\nb'] }, 'ext.certificate.scopes must be an array of valid scopes'],
    [{ start: START + CERTIFICATE_SKEW_MS + 1 }, 'ext.certificate.start > now'],
    [{ expiry: START - CERTIFICATE_SKEW_MS - 1 }, 'ext.certificate.expiry < now'],
    [{ expiry: START + MAX_CERTIFICATE_SPAN_MS + 1 }, 'ext.certificate cannot last longer than 31 days!'],
    [{ start: Number.NEGATIVE_INFINITY }, 'ext.certificate cannot last longer than 31 days!'],
  ] as [Change, string][])('refuses %j: %s', (change, message) => {
    expect(() => verify(change)).toThrow(new CredentialError(message));
  });

  it('reports the first of several faults', () => {
    for (let from = 0; from < ORDER.length; from += 1) {
      const faults = ORDER.slice(from);
      expect(() => verify(Object.assign({}, ...faults.map(([change]) => change)))).toThrow(new CredentialError(faults[0]?.[1]));
    }
  });

  it('looks at the period before the issuer', () => {
    expect(() => verify({}, { now: 0, scopes: [] })).toThrow('ext.certificate.start > now');
  });

  it.each([null, undefined, 0, '', 'text', true])('refuses the certificate %j', (certificate) => {
    const check = () => verifyCertificate({ clientId: issuer.clientId, certificate, issuer, now: START });
    expect(check).toThrow(new CredentialError('ext.certificate must be a JSON object'));
  });

  it('takes a clock 5 minutes off at either end', () => {
    expect(verify({}, { now: START - CERTIFICATE_SKEW_MS }).expiry).toBe(EXPIRY);
    expect(verify({}, { now: EXPIRY + CERTIFICATE_SKEW_MS }).expiry).toBe(EXPIRY);
    expect(() => verify({}, { now: START - CERTIFICATE_SKEW_MS - 1 })).toThrow('ext.certificate.start > now');
    expect(() => verify({}, { now: EXPIRY + CERTIFICATE_SKEW_MS + 1 })).toThrow('ext.certificate.expiry < now');
  });

  it('asks the issuer for the scope to create the name, and for every scope handed out', () => {
    const create = `auth:create-client:${NAME}`;
    expect(verify({}, { scopes: [create, ...SCOPES] }).scopes).toEqual(SCOPES);
    expect(() => verify({ scopes: ['c'] }, { scopes: SCOPES })).toThrow(
      new CredentialError(`ext.certificate issuer \`static/issuer\` doesn't have \`${create}\` for supplied clientId.`),
    );
    const lacking = `ext.certificate issuer \`static/issuer\` doesn't satisfy all certificate scopes ${SCOPES.join(', ')}.  The temporary credentials were not generated correctly.`;
    expect(() => verify({ signature: '' }, { scopes: [create, 'a:b:c'] })).toThrow(new CredentialError(lacking));
  });

  it('refuses a clientId key where no issuer is named, before it looks at scopes', () => {
    const unnamed = { name: 'static/issuer', certificate: issued(), scopes: [] };
    expect(() => verify({ clientId: undefined }, unnamed)).toThrow(
      new CredentialError('ext.certificate.clientId must only be used with ext.certificate.issuer'),
    );
  });
});

describe('verifyAuthorizedScopes', () => {
  it('reads a list of scopes, also an empty one', () => {
    expect(verifyAuthorizedScopes([])).toEqual([]);
    expect(verifyAuthorizedScopes(['a:*', 'b'])).toEqual(['a:*', 'b']);
  });

  it.each([
    [null, 'ext.authorizedScopes must be an array'],
    ['*', 'ext.authorizedScopes must be an array'],
    [{ length: 0 }, 'ext.authorizedScopes must be an array'],
    [['a', 1], 'ext.authorizedScopes must be an array of valid scopes'],
    [['a\n'], 'ext.authorizedScopes must be an array of valid scopes'],
    [[['a']], 'ext.authorizedScopes must be an array of valid scopes'],
  ])('refuses %j', (value, message) => {
    expect(() => verifyAuthorizedScopes(value)).toThrow(new CredentialError(message));
  });
});

import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { certificateIssuer, issueTemporaryCredentials, verifyCertificate } from './certificate.js';
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

describe('the signature of a certificate', () => {
  const WRONG = new CredentialError('ext.certificate.signature is not valid, or wrong clientId provided');
  const resign = (text: string) => createHmac('sha256', issuer.accessToken).update(text).digest('base64');

  it('may be of any type without an accident', () => {
    for (const signature of [undefined, null, 1, {}, [], ['x'], '', 'A', 'é'.repeat(44), { toString: null }]) {
      expect(() => verify({ signature })).toThrow(WRONG);
      const unnamed = { name: 'static/issuer', certificate: issued() };
      expect(() => verify({ signature }, unnamed)).toThrow(new CredentialError('ext.certificate.signature is not valid'));
    }
  });

  it('is never made with an empty token', () => {
    expect(() => issueTemporaryCredentials({ ...wish, issuer: { ...issuer, accessToken: '' } })).toThrow(RangeError);
  });

  it('covers the name', () => {
    expect(() => verify({}, { name: `${NAME}x` })).toThrow(WRONG);
  });

  it('covers whether there is a name', () => {
    expect(() => verify({ issuer: 'static/issuer' }, { certificate: issued() })).toThrow(WRONG);
    expect(() => verify({ issuer: undefined }, { name: 'static/issuer' })).toThrow('ext.certificate.signature is not valid');
  });

  it('covers the order of the scopes', () => {
    expect(() => verify({ scopes: SCOPES.toReversed() })).toThrow(WRONG);
  });

  it('covers every member: any change is refused', () => {
    const change = fc.oneof(
      fc.record({ scopes: fc.array(fc.constantFrom(...SCOPES, 'a:b:c', 'a:b:*queue')) }),
      fc.record({ start: fc.integer({ min: START - 1000, max: START + 1000 }) }),
      fc.record({ expiry: fc.integer({ min: EXPIRY - 1000, max: EXPIRY + 1000 }) }),
      fc.record({ seed: fc.string({ minLength: 44, maxLength: 44 }) }),
      fc.record({ signature: fc.base64String({ minLength: 44, maxLength: 44 }) }),
      fc.record({ issuer: fc.string() }),
      fc.record({ version: fc.jsonValue() }),
    );
    const original = JSON.stringify(issued(NAME));
    fc.assert(
      fc.property(change, (difference) => {
        const certificate = issued(NAME, difference);
        fc.pre(JSON.stringify(certificate) !== original);
        const claimed = certificateIssuer(NAME, certificate);
        const check = () => verifyCertificate({ clientId: NAME, certificate, issuer: { ...issuer, clientId: claimed }, now: START });
        expect(check).toThrow(CredentialError);
      }),
    );
  });

  it('takes both forms of an empty list of scopes', () => {
    const text = `version:1\nseed:${SEED}\nstart:${START}\nexpiry:${EXPIRY}\nscopes:`;
    for (const signature of [resign(text), resign(`${text}\n`)]) {
      const certificate = issued(undefined, { scopes: [], signature });
      expect(verify({}, { name: 'static/issuer', certificate }).scopes).toEqual([]);
    }
    const padded = resign(`version:1\nseed:${SEED}\nstart:${START}\nexpiry:${EXPIRY}\nscopes:\na\n`);
    expect(() => verify({}, { name: 'static/issuer', certificate: issued(undefined, { scopes: ['a'], signature: padded }) })).toThrow();
  });

  /**
   * Whoever may choose scopes chooses them so that the signed text holds the lines of a second certificate, with a seed whose token he has
   * from an earlier claim. Under a long name that swallows the true head, the same signature would stand under terms of his own.
   */
  it('is not taken for that of another certificate by line feeds in the name', () => {
    const earlier = 'C'.repeat(44);
    const planted = ['issuer:static/issuer', `seed:${earlier}`, `start:${START}`, `expiry:${EXPIRY + 1}`, 'scopes:', '*'];
    const honest = JSON.parse(issueTemporaryCredentials({ ...wish, name: NAME, scopes: planted }).certificate);
    const name = `${NAME}\nissuer:static/issuer\nseed:${SEED}\nstart:${START}\nexpiry:${EXPIRY}\nscopes:`;
    const forged = { ...honest, seed: earlier, expiry: EXPIRY + 1, scopes: ['*'] };
    expect(verify({}, { certificate: honest }).scopes).toEqual(planted);
    expect(() => verify({}, { name, certificate: forged })).toThrow(WRONG);
  });

  it('is not taken for that of another certificate by line feeds in a scope', () => {
    const honest = issued(NAME, { scopes: [SCOPES.join('\n')] });
    expect(() => verify({}, { certificate: honest })).toThrow('ext.certificate.scopes must be an array of valid scopes');
  });

  it('opens whatever was issued, and for its own name only', () => {
    const scope = fc.stringMatching(/^[a-z:*/]{1,20}$/);
    const name = fc.stringMatching(/^[ -~]{1,30}$/);
    fc.assert(
      fc.property(name, name, fc.array(scope), (mine, other, scopes) => {
        fc.pre(mine !== other && ![mine, other].includes(issuer.clientId));
        const { accessToken, certificate } = issueTemporaryCredentials({ ...wish, seed: undefined, name: mine, scopes });
        const check = (clientId: string) => verifyCertificate({ clientId, certificate: JSON.parse(certificate), issuer, now: START });
        expect(check(mine)).toEqual({ scopes, expiry: EXPIRY, accessToken, issuer: 'static/issuer' });
        expect(() => check(other)).toThrow(WRONG);
      }),
    );
  });
});

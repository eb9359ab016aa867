import fc from 'fast-check';
import { CERTIFICATE_SKEW_MS, verifyCertificate } from './certificate.js';
import { extFor } from './ext.js';
import { authorizationHeader, MAX_MATCH_LENGTH } from './hawk.js';
import { LentCredentials } from './lent-credentials.js';
import { mintRunCredentials } from './mint.js';
import { certificateScopes, createArtifactScope, type HeldRun, runClientId, runRole, runScopes } from './run-grant.js';

const NOW = 1_700_000_000_000;
const GRACE = 900_000;
const ISSUER = { clientId: 'static/leasehold/queue', accessToken: 'issuer-secret-0123456789abcdefghijklmnopqrstu' };
const RUN: HeldRun = {
  taskId: 'dSlITZ4yQgmvxxAi4A8fHQ',
  runId: 1000,
  workerGroup: 'g'.repeat(38),
  workerId: 'w'.repeat(38),
  takenUntil: new Date(NOW + 1_200_123),
  taskScopes: ['a:b', 'queue:worker-id:*'],
};
const distinct = (count: number, length: number) =>
  Array.from({ length: count }, (_, index) => String(index).padEnd(length, ':abcdefghij').slice(0, length));

const mint = (run: HeldRun = RUN, now = NOW, grace = GRACE) => mintRunCredentials(run, ISSUER, now, grace, new LentCredentials());
const certificateOf = (run?: HeldRun, now?: number, grace?: number) => JSON.parse(mint(run, now, grace).certificate);

/** How long the header of the longest request on a run is, as the worker sends it or a proxy that authorizes only these. */
function headerLength(run: HeldRun, authorizedScopes?: string[]): number {
  const request = { method: 'POST', resource: '/x', host: 'api.example.com', port: 443 };
  const restriction = authorizedScopes ? { authorizedScopes } : {};
  const body = { contentType: 'application/json', text: '{}' };
  return authorizationHeader(mint(run), request, { nowMs: NOW, nonce: 'abcdefgh', body, ...restriction }).length;
}

it('lends credentials that verify, under the name of the run, for the scopes of the run', () => {
  const { clientId, accessToken, certificate } = mint();
  expect(clientId).toBe(runClientId(RUN));
  const grant = verifyCertificate({ clientId, certificate: JSON.parse(certificate), issuer: { ...ISSUER, scopes: ['*'] }, now: NOW });
  expect(grant).toEqual({ scopes: runScopes(RUN), expiry: NOW + 1_200_123 + GRACE, accessToken, issuer: ISSUER.clientId });
});

it('remembers them as what they are', () => {
  const lent = new LentCredentials();
  const { clientId, accessToken, certificate } = mintRunCredentials(RUN, ISSUER, NOW, GRACE, lent);
  const ext = extFor({ clientId, accessToken, certificate }, undefined);
  const verified = verifyCertificate({ clientId, certificate: JSON.parse(certificate), issuer: { ...ISSUER, scopes: ['*'] }, now: NOW });
  expect(lent.find(clientId, ext, NOW)).toEqual(verified);
});

it('dates them back by the skew allowed, and ends them a grace after the lease', () => {
  expect(certificateOf()).toMatchObject({ version: 1, start: NOW - CERTIFICATE_SKEW_MS, expiry: NOW + 1_200_123 + GRACE });
  expect(certificateOf(RUN, NOW, 0.4)).toMatchObject({ expiry: NOW + 1_200_123 });
});

it('can do so for a lease that has just lapsed', () => {
  const late = RUN.takenUntil.getTime() + 60_000;
  expect(certificateOf(RUN, late, 0)).toMatchObject({ start: RUN.takenUntil.getTime() - CERTIFICATE_SKEW_MS });
});

it('never lends the same twice', () => {
  expect(mint().accessToken).not.toBe(mint().accessToken);
});

it.each([
  [2000, 80],
  [31, 80],
  [100, 30],
  [1, 5000],
])('fits a header of 4096 with %d scopes of %d characters', (count, length) => {
  const run = { ...RUN, taskScopes: distinct(count, length) };
  expect(headerLength(run)).toBeLessThan(MAX_MATCH_LENGTH);
});

it('fits it too when a proxy repeats task.scopes, whenever they are listed', () => {
  const taskScopes = fc.uniqueArray(fc.stringMatching(/^[!#-[\]-~]{1,80}$/), { maxLength: 60 });
  let listed = 0;
  fc.assert(
    fc.property(taskScopes, (scopes) => {
      const run = { ...RUN, taskScopes: scopes };
      expect(headerLength(run)).toBeLessThan(MAX_MATCH_LENGTH);
      if (certificateScopes(run).length === 1) return;
      listed++;
      expect(headerLength(run, [...scopes, createArtifactScope(run)])).toBeLessThan(MAX_MATCH_LENGTH);
    }),
    { numRuns: 300 },
  );
  expect(listed).toBeGreaterThan(20);
});

it('lists as much as it can: the longest list that is listed fits, the shortest that is not would not be much longer', () => {
  for (const length of [10, 30, 50, 80]) {
    const runs = Array.from({ length: 700 }, (_, count) => ({ ...RUN, taskScopes: distinct(count, length) }));
    const first = runs.findIndex((run) => certificateScopes(run).length === 1);
    const last = runs[first - 1]!;
    const repeated = headerLength(last, [...last.taskScopes, createArtifactScope(last)]);
    expect(repeated).toBeLessThan(MAX_MATCH_LENGTH);
    expect(certificateScopes(runs[first]!)).toEqual([runRole(RUN)]);
    expect(repeated).toBeGreaterThan(3_000);
  }
});

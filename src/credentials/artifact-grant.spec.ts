import fc from 'fast-check';
import { isScope } from '../scopes/scope.js';
import { holdsScope } from '../scopes/scope-set.js';
import {
  downloadClientId,
  downloadScope,
  isArtifactClientId,
  objectName,
  parseObjectName,
  scopedName,
  uploadClientId,
  uploadScope,
} from './artifact-grant.js';
import { mintDownloadCredentials, mintUploadCredentials } from './artifact-mint.js';
import { authorizationHeader } from './hawk.js';
import { parseRunClientId } from './run-grant.js';

const TASK = 'dSlITZ4yQgmvxxAi4A8fHQ';
const ISSUER = { clientId: 'static/leasehold/queue', accessToken: 'a-token-of-a-test-0123456789' };
const NOW = 1_700_000_000_000;
const names = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 30 });
const artifact = (name: string) => ({ taskId: TASK, runId: 3, name });

it('an object is named after its artifact, and the artifact is found by that name', () => {
  fc.assert(fc.property(names, (name) => expect(parseObjectName(objectName(artifact(name)))).toEqual(artifact(name))));
});

it.each(['', 'x', 't/x/0/y', `t/${TASK}/0/`, `t/${TASK}//x`, `t/${TASK}/x/y`, `t/${TASK}/12345/y`, `t/${TASK}/0/a\nb`, `x/${TASK}/0/y`])(
  '%j is the name of no object',
  (name) => expect(parseObjectName(name)).toBeUndefined(),
);

it('the scope of one object is a scope, and covers no other', () => {
  fc.assert(
    fc.property(names, names, (name, other) => {
      const [one, two] = [objectName(artifact(name)), objectName(artifact(other))];
      expect(isScope(downloadScope(one)) && isScope(uploadScope('a/project', one))).toBe(true);
      expect(holdsScope([downloadScope(one)], downloadScope(two))).toBe(name === other);
      expect(holdsScope([uploadScope('a/project', one)], uploadScope('a/project', two))).toBe(name === other);
    }),
  );
});

it('an ordinary name stands in the scope as it is; one that would be a pattern, or no scope, does not', () => {
  expect(scopedName('t/a/0/public/log.txt')).toBe('t/a/0/public/log.txt');
  for (const name of ['t/a/0/x*', 't/a/0/a b', 't/a/0/"', 't/a/0/\\', `t/a/0/${'x'.repeat(1100)}`]) {
    expect(scopedName(name)).toMatch(/^sha256\/[0-9a-f]{64}$/);
  }
});

it('no clientId is both that of a run and that of an artifact', () => {
  const run = { taskId: TASK, runId: 0, workerGroup: 'group', workerId: 'worker' };
  for (const clientId of [uploadClientId(run), downloadClientId(run)]) {
    expect([isArtifactClientId(clientId), parseRunClientId(clientId)]).toEqual([true, undefined]);
  }
  for (const clientId of ['static/leasehold/queue', `task-client/${TASK}/0/on/g/w/until/1`, 'x/artifact-upload/a', 'artifact-upload']) {
    expect(isArtifactClientId(clientId)).toBe(false);
  }
});

it('upload credentials last a day at most, and not longer than the artifact; download credentials an hour', () => {
  const terms = { ...artifact('a'), workerGroup: 'g', workerId: 'w', projectId: 'p' };
  const end = (expires: number) =>
    JSON.parse(mintUploadCredentials({ ...terms, expires: new Date(expires) }, ISSUER, NOW).certificate).expiry - NOW;
  expect([end(NOW + 7 * 86_400_000), end(NOW + 1000), end(NOW - 1000)]).toEqual([86_400_000, 1000, 0]);
  expect(JSON.parse(mintDownloadCredentials(artifact('a'), ISSUER, NOW).certificate).expiry - NOW).toBe(3_600_000);
});

it('the longest names still fit into a Hawk header', () => {
  const worker = { workerGroup: 'g'.repeat(38), workerId: 'w'.repeat(38) };
  for (const name of ['~'.repeat(1024), '~'.repeat(1070), '"'.repeat(1024)]) {
    const terms = { ...artifact(name), ...worker, projectId: 'p'.repeat(500), expires: new Date(NOW + 1000) };
    const target = { method: 'PUT', resource: '/x', host: 'tasks.example.com', port: 443 };
    const header = authorizationHeader(mintUploadCredentials(terms, ISSUER, NOW), target, { nowMs: NOW, nonce: 'abcdef' });
    expect(header.length).toBeLessThan(4096);
  }
});

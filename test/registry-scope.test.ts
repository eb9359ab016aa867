import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { parseChallenges } from '../src/registry-tokens/challenge.js';
import { normalScopes, requiredScopes } from '../src/registry-tokens/registry-scope.js';
import { DockerRegistry } from './support/docker-registry.js';

/* What we think a request needs, and what the registry that most others are made from demands for it. */

const DIGEST = `sha256:${'0'.repeat(64)}`;

const METHODS = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE');
const NAMES = [
  'a',
  'team-b/app',
  'a/b__c/d.e',
  'blobs',
  'tags/list',
  'a/manifests/b',
  'a/blobs/uploads/x',
  'a%2fb',
  'a/../b',
  'a//b',
  'A',
  'a/./b',
  '%61',
  '_catalog',
];
const TAILS = [
  '/manifests/latest',
  `/blobs/${DIGEST}`,
  `/blobs/${DIGEST.replace(':', '%3A')}`,
  '/tags/list',
  '/blobs/uploads/',
  '/blobs/uploads/x',
  '/blobs/uploads/..',
  '',
];
const QUERIES = [
  '',
  '?n=1',
  '?mount=x&from=b',
  '?from=b%2Fc&mount=x',
  '?mount=x',
  '?mount=x&from=',
  '?mount=x&fr%6fm=b',
  '?mount=x;from=b',
  '?mount=x&from=b&from=a',
  '?from=b',
];
const REQUEST = fc.record({
  method: METHODS,
  target: fc
    .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...TAILS), fc.constantFrom(...QUERIES))
    .map((parts) => `/v2/${parts.join('')}`),
});

if (!DockerRegistry.isInstalled) console.warn('SKIPPED: what a registry demands is not tested; apt-get install docker-registry');

(DockerRegistry.isInstalled ? describe : describe.skip)('with docker-registry', () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let directory: string;
  let registry: DockerRegistry;

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'leasehold-registry-scope-'));
    const auth = {
      realm: 'http://127.0.0.1:1/token',
      service: 'registry.example.com',
      issuer: 'nobody',
      certificates: someCertificate(directory),
    };
    registry = await DockerRegistry.start(directory, { auth });
  });

  afterAll(async () => {
    agent.destroy();
    await registry[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  /** The scopes that its challenge names; undefined if it has none, as where there is no such path. */
  async function demanded(method: string, target: string, form?: string): Promise<readonly string[] | undefined> {
    const [host, port] = registry.host.split(':');
    const headers = form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': form.length };
    const request = http.request({ host, port, method, path: target, agent, headers }).end(form);
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    await once(answer.resume(), 'end');
    const [challenge] = parseChallenges(answer.headersDistinct['www-authenticate'] ?? []);
    return challenge?.scheme === 'bearer' && challenge.scope !== undefined ? normalScopes([challenge.scope]) : undefined;
  }

  it.each([
    ['GET', '/v2/a/manifests/latest', ['repository:a:pull']],
    ['HEAD', `/v2/a/blobs/${DIGEST}`, ['repository:a:pull']],
    ['GET', '/v2/a/tags/list?n=1', ['repository:a:pull']],
    ['PUT', '/v2/team-b/app/manifests/latest', ['repository:team-b/app:pull,push']],
    ['PATCH', '/v2/a/blobs/uploads/x?_state=y', ['repository:a:pull,push']],
    ['DELETE', '/v2/a/manifests/latest', ['repository:a:delete']],
    ['DELETE', '/v2/a/blobs/uploads/x', ['repository:a:delete']],
    ['GET', '/v2/_catalog', ['registry:catalog:*']],
    ['POST', '/v2/a/blobs/uploads/?mount=x&from=b', ['repository:a:pull,push', 'repository:b:pull']],
  ])('38: %s %s needs what the registry demands', async (method, target, scopes) => {
    expect(requiredScopes({ method, target })?.scopes).toEqual(scopes);
    expect(await demanded(method, target)).toEqual(scopes);
  });

  it('10: of all that is understood nothing is understood otherwise', async () => {
    let understood = 0;
    await fc.assert(
      fc.asyncProperty(REQUEST, async ({ method, target }) => {
        const required = requiredScopes({ method, target });
        const scopes = required && (await demanded(method, target));
        if (scopes === undefined) return;
        expect(scopes).toEqual(required?.scopes);
        understood++;
      }),
      { numRuns: 3_000 },
    );
    expect(understood).toBeGreaterThan(100);
  });

  it.each([
    '/v2/a/manifests/b/manifests/latest',
    '/v2/a/blobs/uploads/x/manifests/latest',
    '/v2/a%2fb/manifests/latest',
    '/v2/a/manifests/b%2fmanifests%2flatest',
    '/v2/a/tags/list?from=b',
  ])('10: the registry understands %s, others may otherwise, and we refuse it', async (target) => {
    expect(await demanded('GET', target)).toHaveLength(target.includes('?') ? 2 : 1);
    expect(requiredScopes({ method: 'GET', target })).toBeUndefined();
  });

  it('38: the registry mounts from what a form says, over what the query says: so forms are not to be passed on', async () => {
    const scopes = await demanded('POST', '/v2/a/blobs/uploads/?mount=x&from=c', 'from=b');
    expect(scopes).toEqual(['repository:a:pull,push', 'repository:b:pull']);
  });
});

/** The registry does not start without one; nothing is signed with it. */
function someCertificate(directory: string): string {
  const [key, certificate] = ['issuer.key', 'issuer.pem'].map((name) => path.join(directory, name)) as [string, string];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-subj', '/CN=nobody', '-days', '2', '-keyout', key, '-out', certificate], {
    stdio: 'pipe',
  });
  return readFileSync(certificate, 'utf8');
}

import { rmSync } from 'node:fs';
import { DockerRegistry } from './support/docker-registry.js';
import type { Behaviour } from './support/gateways/behaviour.js';
import { crlf, duplicateRealm, harbor, injected, oneLine, unterminated } from './support/gateways/challenges.js';
import { pushImage } from './support/gateways/copy-image.js';
import { Gateway } from './support/gateways/gateway.js';
import type { Response } from './support/gateways/registry-client.js';
import { throughProxy } from './support/gateways/through-proxy.js';
import { TrapServer } from './support/gateways/trap-server.js';
import { cookies, foreignRealm, pagesElsewhere, redirectedBlobs, redirectingRealm, uploadsElsewhere } from './support/gateways/traps.js';
import { makeImage } from './support/oci-layout.js';
import { newPeerDirectory } from './support/peer-process.js';
import { mayOn } from './support/token-access.js';
import type { TokenConduct } from './support/token-conduct.js';
import { TokenServer } from './support/token-server.js';

/*
 * Each trap of the imitation gateways, before the real registry, with the proxy of a run in place of the clients that are caught in them
 * (gateways.test.ts): whatever a step does, no credential of any kind arrives there, and nothing it is told has one in it.
 */

if (!DockerRegistry.isInstalled) console.warn('SKIPPED: no trap is tried; apt-get install docker-registry');

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const LOGIN = { username: 'user', password: 'the-secret-of-user' };

type Trap = (trap: TrapServer) => Behaviour;

(DockerRegistry.isInstalled ? describe : describe.skip)('the proxy of a run', () => {
  const directory = newPeerDirectory();
  const image = makeImage(1);
  let tokens: TokenServer;
  let registry: DockerRegistry;
  let trap: TrapServer;
  let runs = 0;

  beforeAll(async () => {
    tokens = await TokenServer.start();
    tokens.users.set('user', { password: LOGIN.password, may: mayOn({ push: ['team-a/*'], pull: ['team-b/*'] }) });
    [registry, trap] = [await DockerRegistry.start(directory, { auth: tokens.auth }), await TrapServer.start()];
    const told = await everything();
    expect(told.map(({ status }) => status)).toEqual([201, 200, 200, 200, 202]); // so it can be done at all
  });
  beforeEach(() => {
    [tokens.requests.length, tokens.conduct] = [0, () => ({})];
    trap.reset();
  });
  afterAll(async () => {
    for (const one of [registry, tokens, trap]) await one?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** What a step can do with a repository, through a gateway: it pushes, lists, reads and begins to push again. */
  async function everything(...behaviours: Behaviour[]): Promise<Response[]> {
    await using gateway = await Gateway.start(registry.origin, ...behaviours);
    const login = { gateway, login: LOGIN, realm: tokens.realm, service: tokens.service, prefix: '' };
    const { send, close } = await throughProxy(login, {}, 2);
    const repository = `team-a/app-${runs++}`;
    try {
      const of = (method: string, what: string) => send({ method, target: `/v2/${repository}/${what}`, headers: { accept: MANIFEST } });
      await pushImage(send, repository, 'latest', image).catch(() => undefined);
      const put = await send({
        method: 'PUT',
        target: `/v2/${repository}/manifests/again`,
        headers: { 'content-type': MANIFEST },
        body: image.manifest.bytes,
      });
      return [
        put,
        await of('GET', 'tags/list'),
        await of('HEAD', 'manifests/latest'),
        await of('GET', `blobs/${image.config.digest}`),
        await of('POST', 'blobs/uploads/'),
      ];
    } finally {
      await close();
    }
  }

  /** Of whoever was told something, or was there to catch something. */
  async function assertNothingLeaked(told: readonly Response[]): Promise<void> {
    expect(trap.leaks([LOGIN.password])).toEqual([]);
    const parameters = tokens.requests.flatMap(({ target }) => [...new URL(target, tokens.origin).searchParams.keys()]);
    expect([parameters.includes('account'), tokens.requests.filter(({ scopes }) => /victim/.test(scopes.join()))]).toEqual([false, []]);
    const all = JSON.stringify(told.map(({ headers, body }) => [headers, body.toString('latin1')]));
    expect(all).not.toMatch(/the-secret-of-user|eyJ[\w-]+\.|_state=/);
    for (const { headers } of told) expect([headers['www-authenticate'], headers['set-cookie']]).toEqual([undefined, undefined]);
  }

  it.each<[string, Trap, isServed?: true]>([
    ['61: a realm at another port', ({ realm }) => foreignRealm(realm)],
    ['61: a realm at another host', ({ elsewhere }) => foreignRealm(`${elsewhere}/token`)],
    ['63: a realm with a user', ({ realm }) => foreignRealm(realm.replace('//', '//registry:x@'))],
    ['64: a realm at an address of a cloud', () => foreignRealm('http://169.254.169.254/token')],
    ['65: a realm that leads elsewhere', ({ realm }) => redirectingRealm(realm)],
    ['65: a realm that leads elsewhere to be asked once more by GET', ({ realm }) => redirectingRealm(realm, 302)],
    ['37: two realms', ({ realm }) => duplicateRealm(realm)],
    ['37: an open quote', () => unterminated()],
    ['37: a line break with a challenge after it', ({ realm }) => crlf(`WWW-Authenticate: Bearer realm="${realm}",service="x`)],
    ['37: a line break within a value', ({ realm }) => crlf(` ,realm="${realm}`)],
    ['72: parameters within parameters', () => injected(), true],
    ['69: uploads at another port', ({ origin }) => uploadsElsewhere(origin)],
    ['69: uploads at another host', ({ elsewhere }) => uploadsElsewhere(elsewhere)],
    ['67: blobs at another port', ({ origin }) => redirectedBlobs(origin)],
    ['67: blobs at another host', ({ elsewhere }) => redirectedBlobs(elsewhere, 302)],
    ['71: pages elsewhere', ({ origin }) => pagesElsewhere(origin)],
    ['13: cookies', () => cookies('session=of-the-gateway'), true],
    ['29: `Basic` after a token', () => harbor(), true],
    ['35: `Basic` beside `Bearer`', () => oneLine(), true],
  ])('%s: nothing reaches the trap', async (_, behaviour, ...[isServed]) => {
    const told = await everything(behaviour(trap));
    await assertNothingLeaked(told);
    expect(trap.caught).toEqual([]);
    expect(told.every(({ status }) => status < 300)).toBe(isServed === true);
  });

  it.each<[string, (trap: TrapServer) => TokenConduct]>([
    ['65: leads elsewhere', ({ realm }) => ({ redirectTo: realm })],
    ['58: answers with too much', () => ({ body: 'oversized' })],
    ['58: answers with no token', () => ({ body: 'garbage' })],
    ['58: makes a header of its token', () => ({ append: '\r\nX-Injected: 1' })],
  ])('a token server that %s: nothing reaches the trap, nor the registry', async (_, conduct) => {
    tokens.conduct = () => conduct(trap);
    const told = await everything();
    await assertNothingLeaked(told);
    expect([trap.caught, told.filter(({ status }) => status < 400)]).toEqual([[], []]);
  });
});

import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { PUBLISH_LEAD } from '../src/service/auth/keys/key-life.js';
import { Keyring } from '../src/service/auth/keys/keyring.js';
import { World } from './operations/world.js';
import type { Api, Credentials } from './support/api.js';
import { DockerRegistry } from './support/docker-registry.js';
import { makeImage, writeLayout } from './support/oci-layout.js';
import { newPeerDirectory } from './support/peer-process.js';
import { later } from './support/signing-keys.js';
import { Skopeo, type SkopeoRun } from './support/skopeo.js';
import { HERE, TYPE, tokenForUs, tokenOf } from './support/task-tokens.js';
import { ok } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/*
 * Debian's docker-registry and skopeo, with tokens of the service. What the tokens say, and to whom they are given: registry-token-answers.test.ts.
 */

const SERVICE = 'registry.example.com';
const isInstalled = DockerRegistry.isInstalled && Skopeo.isInstalled;
if (!isInstalled) console.warn('SKIPPED: tokens are not shown to a registry; apt-get install docker-registry skopeo');

(isInstalled ? describe : describe.skip)('a registry', () => {
  let test: TestService;
  let world: World;
  let registry: DockerRegistry;
  let directory: string;
  let image: string;
  const made = makeImage(2);
  const { layers, manifest } = made;
  let homes = 0;

  beforeAll(async () => {
    test = await startTestService({ sweepInterval: 600, claimPoll: 0, rootUrl: HERE, issuerUrl: HERE, registryService: SERVICE });
    world = new World(test);
    directory = newPeerDirectory();
    image = path.join(directory, 'image');
    writeLayout(image, made);
    registry = await startRegistry('registry');
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await test?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function startRegistry(name: string): Promise<DockerRegistry> {
    const { body: certificates } = await test.root.as().get('/registry/certificate');
    const auth = { realm: `${test.root.url}/registry/token`, service: SERVICE, issuer: HERE, certificates };
    return DockerRegistry.start(path.join(directory, name), { auth });
  }

  const newHome = () => path.join(directory, `home-${homes++}`);
  const creds = ({ clientId, accessToken }: Credentials) => `${clientId}:${accessToken}`;
  const clientWith = async (...scopes: string[]) => (await test.client(...scopes)).credentials!;
  const at = (repository: string) => `docker://${registry.host}/${repository}`;
  const push = (to: string, who: Credentials): Promise<SkopeoRun> =>
    Skopeo.once('copy', '--preserve-digests', '--dest-tls-verify=false', '--dest-creds', creds(who), `oci:${image}:latest`, at(to));
  const pull = (from: string, who?: Credentials): Promise<SkopeoRun> => {
    const as = who ? ['--src-creds', creds(who)] : ['--src-no-creds'];
    return Skopeo.once('copy', '--src-tls-verify=false', ...as, at(from), `oci:${newHome()}:latest`);
  };
  const remove = (of: string, who: Credentials) => Skopeo.once('delete', '--tls-verify=false', '--creds', creds(who), at(of));
  const pushed = async (to: string) => {
    const { ok, output } = await push(to, await clientWith('registry:push:*'));
    if (!ok) throw new Error(output);
  };

  /** A run, and calls with its credentials. */
  async function claimed(...scopes: string[]) {
    const { params, credentials } = await world.run({ scopes });
    return { taskId: params.taskId, credentials, api: test.root.as(credentials) };
  }

  const scopeOf = (repository: string, actions: string) => `scope=${encodeURIComponent(`repository:${repository}:${actions}`)}`;
  async function tokenBy(api: Api, ...scopes: string[]): Promise<string> {
    return (await ok(api.get(`/registry/token?service=${SERVICE}&${scopes.join('&')}`))).token;
  }

  /** The status that the registry answers to who brings this token. */
  async function ask(token: string | undefined, target: string, method = 'GET', to = registry): Promise<number> {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(to.origin + target, { method, headers });
    await answer.arrayBuffer();
    return answer.status;
  }

  const blobs = (repository: string) => `/v2/${repository}/blobs/${layers[0]?.digest}`;

  /** A task token of the run as a password: how it logs in without a proxy. */
  const asPassword = async (api: Api, scope: string): Promise<Credentials> => ({
    clientId: 'run',
    accessToken: await tokenForUs(api, scope),
  });

  describe('and a client with permanent credentials', () => {
    it('who may push pushes, and pulls what it pushed', async () => {
      const who = await clientWith('registry:push:team/app');
      expect(await push('team/app:1', who)).toMatchObject({ ok: true });
      expect(await pull('team/app:1', who)).toMatchObject({ ok: true });
    });

    it('who may pull pulls, and pushes nothing', async () => {
      await pushed('pulled/app:1');
      const who = await clientWith('registry:pull:pulled/*');
      expect(await pull('pulled/app:1', who)).toMatchObject({ ok: true });
      expect(await push('pulled/app:2', who)).toMatchObject({ ok: false, output: expect.stringContaining('denied') });
    });

    it('75: another repository is refused, whether there is one or not', async () => {
      await pushed('other/app:1');
      const who = await clientWith('registry:push:team/*', 'registry:delete:team/*');
      const results = [await pull('other/app:1', who), await pull('other/none:1', who), await push('other/app:2', who)];
      expect(results.map((result) => result.ok)).toEqual([false, false, false]);
      for (const { output } of results) expect(output).toMatch(/denied|unauthorized/);
      expect(await remove('other/app:1', who)).toMatchObject({ ok: false });
      expect(await pull('other/app:1', await clientWith('registry:pull:other/app'))).toMatchObject({ ok: true });
    });

    it('deletes with the right to delete, and not with that to push', async () => {
      await pushed('deleted/app:1');
      expect(await remove('deleted/app:1', await clientWith('registry:push:deleted/app'))).toMatchObject({ ok: false });
      expect(await remove('deleted/app:1', await clientWith('registry:delete:deleted/app', 'registry:pull:deleted/app'))).toMatchObject({
        ok: true,
      });
      expect(await pull('deleted/app:1', await clientWith('registry:pull:deleted/app'))).toMatchObject({ ok: false });
    });

    it('logs in whatever it may do, and not with a wrong access token', async () => {
      const who = await clientWith();
      using home = new Skopeo();
      const login = (password: string) => home.run('login', '--tls-verify=false', '-u', who.clientId, '-p', password, registry.host);
      expect(await login(who.accessToken)).toEqual({ ok: true, output: expect.stringContaining('Login Succeeded') });
      expect(readFileSync(path.join(home.directory, 'auth.json'), 'utf8')).toContain(registry.host);
      expect(await login('x'.repeat(44))).toMatchObject({ ok: false, output: expect.stringContaining('invalid username/password') });
    });

    it('lists repositories with the scope for that alone', async () => {
      const catalog = 'scope=registry%3Acatalog%3A*';
      expect(await ask(await tokenBy(await test.client('registry:catalog'), catalog), '/v2/_catalog')).toBe(200);
      expect(await ask(await tokenBy(await test.client('registry:push:*', 'registry:pull:*'), catalog), '/v2/_catalog')).toBe(401);
    });
  });

  it('everybody pulls what anonymous callers may pull, and nothing else', async () => {
    await pushed('public/app:1');
    await pushed('private/app:1');
    expect(await pull('public/app:1')).toMatchObject({ ok: false });
    await test.role('anonymous', 'registry:pull:public/*');
    expect(await pull('public/app:1')).toMatchObject({ ok: true });
    expect(await pull('private/app:1')).toMatchObject({ ok: false });
    expect((await test.root.delete('/auth/v1/roles/anonymous')).status).toBe(204);
  });

  describe('and a run', () => {
    const uploads = (repository: string, query = '') => `/v2/${repository}/blobs/uploads/${query}`;

    it('signs its request, and reads and writes what its task may', async () => {
      await pushed('runs/app:1');
      const { api } = await claimed('registry:push:runs/app');
      const token = await tokenBy(api, scopeOf('runs/app', 'pull,push'));
      expect([await ask(token, blobs('runs/app')), await ask(token, uploads('runs/app'), 'POST')]).toEqual([200, 202]);
      expect([await ask(token, blobs('team/app')), await ask(token, uploads('team/app'), 'POST')]).toEqual([401, 401]);
      expect(await ask(token, `/v2/runs/app/manifests/${manifest.digest}`, 'DELETE')).toBe(401);
      const none = await tokenBy(api, scopeOf('team/app', 'pull,push'));
      expect(await ask(none, blobs('team/app'))).toBe(401);
    });

    it('logs in by a task token as its password', async () => {
      await pushed('tokens/app:1');
      const { api } = await claimed('registry:pull:tokens/*', 'registry:push:others/*');
      const who = await asPassword(api, 'registry:pull:tokens/app');
      expect(await pull('tokens/app:1', who)).toMatchObject({ ok: true });
      expect(await push('tokens/app:2', who)).toMatchObject({ ok: false });
      expect(await push('others/app:1', who)).toMatchObject({ ok: false });
      expect(await push('others/app:1', await asPassword(api, 'registry:push:others/app'))).toMatchObject({ ok: true });
    });

    it('38: mounts a blob of another repository by one token for both', async () => {
      await pushed('from/app:1');
      const { api } = await claimed('registry:pull:from/app', 'registry:push:to/app');
      const mount = uploads('to/app', `?mount=${layers[0]?.digest}&from=from/app`);
      const token = await tokenBy(api, scopeOf('to/app', 'pull,push'), scopeOf('from/app', 'pull'));
      expect(await ask(token, mount, 'POST')).toBe(201);
      const other = await claimed('registry:push:to/app');
      const less = await tokenBy(other.api, scopeOf('to/app', 'pull,push'), scopeOf('from/app', 'pull'));
      expect(await ask(less, mount, 'POST')).toBe(401);
      expect(await ask(less, uploads('to/app'), 'POST')).toBe(202); // 39: the same token does for a plain upload
    });

    it('one that has ended, or whose lease has lapsed, is given nothing', async () => {
      await pushed('ended/app:1');
      const ended = await claimed('registry:pull:ended/app');
      const lapsed = await claimed('registry:pull:ended/app');
      const passwords = await Promise.all([ended, lapsed].map(({ api }) => asPassword(api, 'registry:pull:ended/app')));
      for (const who of passwords) expect(await pull('ended/app:1', who)).toMatchObject({ ok: true });
      await world.tasks.report('completed', ended.taskId);
      await world.tasks.lapse(lapsed.taskId);
      for (const who of passwords)
        expect(await pull('ended/app:1', who)).toMatchObject({
          ok: false,
          output: expect.stringMatching(/invalid username\/password|unauthorized/),
        });
    });
  });

  describe('and tokens that are not for it', () => {
    it('task tokens and identities do nothing there', async () => {
      await pushed('confused/app:1');
      const { api } = await claimed('registry:pull:confused/app', 'auth:exchange-token:*');
      const scope = 'registry:pull:confused/app';
      const others = await Promise.all([
        tokenOf(api, { audience: HERE, scope }),
        tokenOf(api, { audience: `${SERVICE}:443`, scope }),
        tokenOf(api, { audience: `${SERVICE}:443`, requested_token_type: TYPE('id_token') }),
      ]);
      const target = blobs('confused/app');
      expect(await ask(await tokenBy(api, scopeOf('confused/app', 'pull')), target)).toBe(200);
      for (const token of others) expect([await ask(token, '/v2/'), await ask(token, target)]).toEqual([401, 401]);
      expect(await ask(undefined, target)).toBe(401);
    });

    it('a registry of another service does not take ours', async () => {
      const { body: certificates } = await test.root.as().get('/registry/certificate');
      const auth = { realm: `${test.root.url}/registry/token`, service: 'another', issuer: HERE, certificates };
      await using another = await DockerRegistry.start(path.join(directory, 'another'), { auth });
      const token = await tokenBy(test.root, scopeOf('team/app', 'pull'));
      expect([await ask(token, '/v2/', 'GET', another), await ask(token, '/v2/')]).toEqual([401, 200]);
    });
  });

  it('takes tokens of the next key without being started anew, be it rotated or replaced after a leak', async () => {
    await pushed('rotated/app:1');
    const statuses: number[] = [];
    const kids = new Set<string>();
    const see = async () => {
      const token = await tokenBy(test.root, scopeOf('rotated/app', 'pull'));
      kids.add(decodeProtectedHeader(token).kid as string);
      statuses.push(await ask(token, blobs('rotated/app')));
    };
    await see();
    await ok(test.root.post('/auth/v1/keys/ES256/rotate'));
    await later(test.database.pool, PUBLISH_LEAD + 1);
    await test.service.app.get(Keyring).refresh();
    await see();
    await ok(test.root.post(`/auth/v1/keys/${[...kids].at(-1)}/compromise`));
    await see();
    expect({ statuses, keys: kids.size }).toEqual({ statuses: [200, 200, 200], keys: 3 });
  });
});

import { EventEmitter, once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { DockerRegistry } from './support/docker-registry.js';
import { artifactory } from './support/gateways/artifactory.js';
import type { Behaviour } from './support/gateways/behaviour.js';
import {
  basicOnly,
  challengeAs,
  crlf,
  duplicateRealm,
  forbiddenInsufficient,
  harbor,
  injected,
  oneLine,
  openPing,
  placeholderOnPing,
  twoLines,
  unterminated,
  withoutScope,
  withoutService,
} from './support/gateways/challenges.js';
import { copyImage, pushImage } from './support/gateways/copy-image.js';
import { Gateway } from './support/gateways/gateway.js';
import { NaiveClient, type NaiveKey } from './support/gateways/naive-client.js';
import { nvcr } from './support/gateways/nvcr.js';
import { Resolver } from './support/gateways/resolver.js';
import { TrapServer } from './support/gateways/trap-server.js';
import {
  absoluteLocations,
  cookies,
  foreignRealm,
  pagesElsewhere,
  redirectedBlobs,
  redirectingRealm,
  uploadsElsewhere,
} from './support/gateways/traps.js';
import { type Image, makeImage, writeLayout } from './support/oci-layout.js';
import { newPeerDirectory } from './support/peer-process.js';
import { Skopeo } from './support/skopeo.js';
import { mayOn } from './support/token-access.js';
import { TokenServer } from './support/token-server.js';

/*
 * That the imitations are what they imitate: in front of the real registry, with a stock client and with a naive one. Above all, that a trap
 * catches whoever is careless; else that nothing is caught in it would say nothing.
 */

const isInstalled = DockerRegistry.isInstalled && Skopeo.isInstalled;
if (!isInstalled) console.warn('SKIPPED: imitation gateways are not tested; apt-get install docker-registry skopeo');

const LOGIN = { username: 'user', password: 'the-secret-of-user' };
const CREDENTIALS = `${LOGIN.username}:${LOGIN.password}`;
const LAYERS = 3;

(isInstalled ? describe : describe.skip)('with docker-registry and skopeo', () => {
  let tokens: TokenServer;
  let registry: DockerRegistry;
  let trap: TrapServer;
  let image: Image;
  let skopeo: Skopeo;
  const directory = newPeerDirectory();
  const layout = path.join(directory, 'image');
  const cleanUps: AsyncDisposable[] = [];

  beforeAll(async () => {
    tokens = await TokenServer.start();
    tokens.users.set('user', { password: LOGIN.password, may: mayOn({ push: ['team-a/*'], pull: ['team-b/*'] }) });
    registry = await DockerRegistry.start(newPeerDirectory(), { auth: tokens.auth });
    [trap, image, skopeo] = [await TrapServer.start(), makeImage(LAYERS), new Skopeo()];
    writeLayout(layout, image);
    await pushImage(naive(registry.host).send, 'team-a/source', 'latest', image);
  });
  beforeEach(() => {
    [tokens.requests.length, tokens.conduct] = [0, () => ({})];
    trap.reset();
  });
  afterEach(async () => {
    for (const one of cleanUps.splice(0)) await one[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    for (const one of [registry, tokens, trap]) await one[Symbol.asyncDispose]();
    skopeo[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  async function gateway(...behaviours: Behaviour[]): Promise<Gateway> {
    const started = await Gateway.start(registry.origin, ...behaviours);
    cleanUps.push(started);
    return started;
  }

  function naive(host: string, key: NaiveKey = 'repository'): NaiveClient {
    const client = new NaiveClient({ host }, 4, key, LOGIN);
    cleanUps.push({ [Symbol.asyncDispose]: async () => client[Symbol.dispose]() });
    return client;
  }

  const manifest = (repository = 'team-a/source') => ({ method: 'GET', target: `/v2/${repository}/manifests/latest` });
  const layer = () => ({ method: 'GET', target: `/v2/team-a/source/blobs/${image.layers[0]!.digest}` });
  const leaked = () => trap.leaks([LOGIN.password]).map(({ method, authorization }) => `${method} ${authorization?.split(' ')[0]}`);
  /** What a request is challenged with, header by header. */
  async function challenged(host: string, target: string, headers: Record<string, string> = {}): Promise<string[]> {
    const response = await get(`http://${host}${target}`, headers);
    response.resume();
    return response.headersDistinct['www-authenticate'] ?? [];
  }

  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const bearing = async (scope: string) => ({ accept, authorization: `Bearer ${await tokens.token('user', [scope])}` });
  const SOURCE = '/v2/team-a/source/manifests/latest';

  describe('a compliant one', () => {
    it('lets skopeo push and pull, and remembers what was asked by whom', async () => {
      const one = await gateway();
      const { host } = one;
      expect(await skopeo.push(layout, `${host}/team-a/app:1`, CREDENTIALS)).toMatchObject({ ok: true });
      expect([one.count(401), one.count(401, 'GET'), tokens.requests.length]).toEqual([1, 1, 1]);
      expect(one.seen[0]).toMatchObject({ method: 'GET', target: '/v2/', status: 401, authorization: undefined });
      expect(one.authorizations).toEqual([expect.stringMatching(/^Bearer /)]);

      const pulled = path.join(directory, 'pulled');
      expect(await skopeo.pull(`${host}/team-a/app:1`, pulled, CREDENTIALS)).toMatchObject({ ok: true });
      expect(readdirSync(path.join(pulled, 'blobs/sha256'))).toHaveLength(LAYERS + 2);
    });

    it('denies who has no right, and who has no secret', async () => {
      const one = await gateway();
      const { host } = one;
      expect((await skopeo.push(layout, `${host}/team-b/app:1`, CREDENTIALS)).ok).toBe(false);
      expect((await skopeo.push(layout, `${host}/team-a/app:2`, 'user:wrong')).output).toContain('invalid username/password');
      expect(one.count(201, 'PUT')).toBe(0);
    });

    it('takes 4 (N + 1) + 2 requests for a copy, and the naive client three 401 or nearly one for each', async () => {
      const one = await gateway();
      const copy = { from: 'team-a/source', to: 'team-a/copied', tag: 'latest', concurrency: 1 };
      expect(await copyImage({ ...copy, via: naive(one.host).send })).toBe(4 * (LAYERS + 1) + 2);
      expect([one.count(401), tokens.requests.length]).toEqual([3, 3]);
      one.reset();
      await copyImage({ ...copy, to: 'team-a/copied-2', via: naive(one.host, 'none').send });
      expect(one.count(401)).toBe(3 * (LAYERS + 1) + 2);
    });
  });

  describe('one like Artifactory', () => {
    const from = 'foo-docker/team-a/source';

    it('challenges for a repository that nobody has asked for, and takes a token of that one', async () => {
      const { host } = await gateway(artifactory());
      const target = `/v2/${from}/manifests/latest`;
      expect(await challenged(host, target)).toEqual([expect.stringContaining('scope="repository:team-a/source:pull"')]);
      const byName = async (repository: string) =>
        (await get(`http://${host}${target}`, await bearing(`repository:${repository}:pull`))).resume().statusCode;
      expect([await byName('team-a/source'), await byName(from)]).toEqual([200, 401]);
    });

    it('says in Location, and is told of a mount, what the client calls it', async () => {
      const one = await gateway(artifactory());
      const client = naive(one.host);
      const { headers } = await client.send({ method: 'POST', target: '/v2/foo-docker/team-a/new/blobs/uploads/' });
      expect(headers.location).toMatch(/^\/v2\/foo-docker\/team-a\/new\/blobs\/uploads\//);
      const { digest } = image.layers[0]!;
      const mount = `/v2/foo-docker/team-a/other/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
      const authorization = `Bearer ${await tokens.token('user', ['repository:team-a/other:pull,push', 'repository:team-a/source:pull'])}`;
      const mounted = await send(`${one.origin}${mount}`, 'POST', { authorization });
      expect([mounted.statusCode, mounted.headers.location]).toEqual([201, `/v2/foo-docker/team-a/other/blobs/${digest}`]);
    });

    it('costs the naive client three, and skopeo cannot push through it', async () => {
      const one = await gateway(artifactory());
      await copyImage({ from, to: 'foo-docker/team-a/copied-3', tag: 'latest', concurrency: 1, via: naive(one.host).send });
      expect([one.count(401), tokens.requests.length]).toEqual([3, 3]);
      expect((await skopeo.push(layout, `${one.host}/foo-docker/team-a/app:3`, CREDENTIALS)).ok).toBe(false);
    });
  });

  describe('one like nvcr', () => {
    it('challenges a pull with more, and names no service', async () => {
      const { host } = await gateway(nvcr(trap.realm));
      expect(await challenged(host, SOURCE)).toEqual([`Bearer realm="${tokens.realm}",scope="repository:team-a/source:pull,push"`]);
    });

    it('names another realm to who brings a token of another repository', async () => {
      const { host } = await gateway(nvcr(trap.realm));
      const [challenge] = await challenged(host, SOURCE, await bearing('repository:team-a/other:pull'));
      expect(challenge).toBe(`Bearer realm="${trap.realm}",scope="repository:team-a/source:pull,push",error="insufficient_scope"`);
      const [own] = await challenged(host, SOURCE, await bearing('repository:team-c/app:pull')); // which gives no access at all
      expect(own).toContain(`realm="${tokens.realm}"`);
    });

    it('serves who keeps repositories apart, and catches who does not', async () => {
      const one = await gateway(nvcr(trap.realm));
      const copy = { from: 'team-a/source', to: 'team-a/copied-4', tag: 'latest', concurrency: 1 };
      await copyImage({ ...copy, via: naive(one.host).send });
      expect([one.count(401), tokens.requests.length, trap.caught]).toEqual([2, 2, []]);
      await expect(copyImage({ ...copy, to: 'team-a/copied-5', via: naive(one.host, 'host').send })).rejects.toThrow('was answered 401');
      expect(leaked()).toEqual(['GET Basic']);
    });
  });

  describe('traps', () => {
    const login = () => `Basic ${Buffer.from(CREDENTIALS).toString('base64')}`;

    it('61: a realm elsewhere gets the password of skopeo, and of the naive client', async () => {
      const { host } = await gateway(foreignRealm(trap.realm));
      expect((await skopeo.pull(`${host}/team-a/source:latest`, path.join(directory, 'none'), CREDENTIALS)).ok).toBe(false);
      expect(leaked()).toContain('GET Basic');
      trap.reset();
      await naive(host).send(manifest());
      expect(trap.caught).toEqual([expect.objectContaining({ method: 'GET', authorization: login() })]);
    });

    it('65: its own realm leads the naive client elsewhere, password and all; so does a token server', async () => {
      const { host } = await gateway(redirectingRealm(trap.realm));
      await naive(host).send(manifest());
      expect(leaked()).toEqual(['GET Basic']);
      trap.reset();
      tokens.conduct = () => ({ redirectTo: trap.realm });
      await naive((await gateway()).host).send(manifest());
      expect(leaked()).toEqual(['GET Basic']);
    });

    it.each(['origin', 'elsewhere'] as const)(
      '67: a blob that lies at another %s gets the token of the naive client, not of skopeo',
      async (place) => {
        for (const { digest, bytes } of [...image.layers, image.config]) trap.blobs.set(digest, bytes);
        const { host } = await gateway(redirectedBlobs(trap[place]));
        expect((await naive(host).send(layer())).body).toEqual(image.layers[0]!.bytes);
        expect(leaked()).toEqual(['GET Bearer']);
        trap.reset();
        const pulled = path.join(directory, `pulled-${place}`);
        expect(await skopeo.pull(`${host}/team-a/source:latest`, pulled, CREDENTIALS)).toMatchObject({ ok: true });
        expect([trap.caught.length, leaked()]).toEqual([LAYERS + 1, []]);
      },
    );

    it.each(['origin', 'elsewhere'] as const)('69: an upload that is to go on at another %s gets the token of skopeo', async (place) => {
      const { host } = await gateway(uploadsElsewhere(trap[place]));
      await skopeo.push(layout, `${host}/team-a/hijacked:1`, CREDENTIALS);
      expect(leaked()).toContain(`PATCH Bearer`);
      trap.reset();
      await pushImage(naive(host).send, `team-a/hijacked-${place}`, 'latest', makeImage(1)).catch(() => undefined);
      expect(leaked()).toContain('PUT Bearer');
    });

    it('70: an absolute Location at home is none', async () => {
      const { host } = await gateway(absoluteLocations());
      expect(await skopeo.push(layout, `${host}/team-a/absolute:1`, CREDENTIALS)).toMatchObject({ ok: true });
      expect(trap.caught).toEqual([]);
    });

    it('71: the next page elsewhere is what a client would ask for', async () => {
      const { host } = await gateway(pagesElsewhere(trap.origin));
      const client = naive(host);
      const { headers } = await client.send({ method: 'GET', target: '/v2/team-a/source/tags/list' });
      const [, next = ''] = /^<([^>]+)>; rel="next"$/.exec(String(headers.link)) ?? [];
      await client.send({ method: 'GET', target: next });
      expect(leaked()).toEqual(['GET Bearer']);
    });

    it('a cookie is a credential as well, and is remembered wherever it is shown', async () => {
      const one = await gateway(cookies('session=of-the-gateway'));
      const response = await get(`${one.origin}/v2/`);
      expect(response.resume().headers['set-cookie']).toEqual(['session=of-the-gateway; Path=/']);
      for (const url of [one.origin, trap.origin]) (await get(`${url}/v2/`, { cookie: 'session=of-the-gateway' })).resume();
      expect(one.seen.map(({ cookie }) => cookie)).toEqual([undefined, 'session=of-the-gateway']);
      expect(trap.leaks()).toHaveLength(1);
    });

    it('a secret is found wherever it is: in the query, in a body, in Base64', async () => {
      const secret = LOGIN.password;
      for (const [method, path, body] of [
        ['GET', `/token?password=${secret}`, ''],
        ['POST', '/token', `grant_type=password&password=${secret}`],
        ['GET', `/token?login=${Buffer.from(secret).toString('base64')}`, ''],
        ['GET', '/token', ''],
      ] as const)
        (await send(`${trap.origin}${path}`, method, {}, body)).resume();
      expect([trap.leaks([secret]).length, trap.leaks().length, trap.caught.length]).toEqual([3, 0, 4]);
    });

    it('64: a name leads where the resolver says, which may say otherwise the next time', async () => {
      const { asked, lookup } = new Resolver({
        'registry.example.com': [['203.0.113.7'], ['127.0.0.1']],
        'rack.example.com': [['169.254.169.254']],
      });
      const found = (name: string) => new Promise((resolve) => lookup(name, { all: true }, (...answer) => resolve(answer)));
      expect(await found('registry.example.com')).toEqual([null, [{ address: '203.0.113.7', family: 4 }]]);
      expect(await found('rack.example.com')).toEqual([null, [{ address: '169.254.169.254', family: 4 }]]);
      expect(await found('nowhere.example.com')).toEqual([expect.objectContaining({ code: 'ENOTFOUND' })]);
      const headers = { authorization: login() };
      for (let nth = 0; nth < 2; nth++) (await get(`http://registry.example.com:${trap.port}/token`, headers, { lookup })).resume();
      expect([leaked(), asked.slice(3)]).toEqual([
        ['GET Basic', 'GET Basic'],
        ['registry.example.com', 'registry.example.com'],
      ]);
    });
  });

  describe('challenges', () => {
    const scope = 'scope="repository:team-a/source:pull"';

    it.each<[string, () => Behaviour, (realm: string) => string[]]>([
      ['23: no scope', withoutScope, (realm) => [`Bearer realm="${realm}",service="registry.example"`]],
      ['24: no service', withoutService, (realm) => [`Bearer realm="${realm}",${scope}`]],
      ['35: two lines', twoLines, (realm) => ['Basic realm="registry"', `Bearer realm="${realm}",service="registry.example",${scope}`]],
      [
        '35: one line',
        oneLine,
        (realm) => [`Negotiate, Basic realm="registry", Bearer realm="${realm}",service="registry.example",${scope}`],
      ],
      [
        '37: two realms',
        () => duplicateRealm('http://x'),
        (realm) => [`Bearer realm="${realm}",service="registry.example",${scope},realm="http://x"`],
      ],
      ['37: an open quote', unterminated, (realm) => [`Bearer realm="${realm}",service="registry.example",${scope.slice(0, -1)}`]],
      [
        '72: parameters within',
        injected,
        (realm) => [`Bearer realm="${realm}",service="registry.example&scope=repository:victim/app:pull,push#",scope="a b&account=root"`],
      ],
    ])('%s', async (_, behaviour, expected) => {
      const { host } = await gateway(behaviour());
      expect(await challenged(host, SOURCE)).toEqual(expected(tokens.realm));
    });

    it('25: what the ping is challenged with is an example, and nothing else is', async () => {
      const { host } = await gateway(placeholderOnPing());
      expect((await challenged(host, '/v2/'))[0]).toContain('scope="repository:user/image:pull"');
      expect((await challenged(host, SOURCE))[0]).toContain(scope);
    });

    it('33: a ping that is open says nothing of the rest', async () => {
      const { origin, host } = await gateway(openPing());
      expect((await get(`${origin}/v2/`)).resume().statusCode).toBe(200);
      expect((await challenged(host, SOURCE))[0]).toContain(scope);
    });

    it('29: Basic to who bears a token that does not reach, Bearer to everybody else', async () => {
      const { host } = await gateway(harbor());
      expect(await challenged(host, SOURCE, await bearing('repository:team-b/app:pull'))).toEqual(['Basic realm="harbor"']);
      expect((await challenged(host, SOURCE))[0]).toContain(scope);
    });

    it('30: 403 to who bears a token that does not reach, with a challenge', async () => {
      const { origin } = await gateway(forbiddenInsufficient());
      const response = (await get(`${origin}${SOURCE}`, await bearing('repository:team-b/app:pull'))).resume();
      expect([response.statusCode, response.headers['www-authenticate']]).toEqual([
        403,
        expect.stringContaining('error="insufficient_scope"'),
      ]);
      expect((await get(`${origin}${SOURCE}`)).resume().statusCode).toBe(401);
    });

    it('31: one that knows no tokens lets skopeo push by Basic', async () => {
      const free = await DockerRegistry.start(newPeerDirectory());
      const one = await Gateway.start(free.origin, basicOnly(LOGIN.username, LOGIN.password));
      cleanUps.push(one, free);
      expect(await skopeo.push(layout, `${one.host}/any/app:1`, CREDENTIALS)).toMatchObject({ ok: true });
      expect((await skopeo.push(layout, `${one.host}/any/app:2`, 'user:wrong')).ok).toBe(false);
      expect(one.authorizations.every((authorization) => authorization.startsWith('Basic '))).toBe(true);
      expect(tokens.requests).toEqual([]);
    });

    it('a broken line within is a header of its own', async () => {
      const { host } = await gateway(crlf('X-Injected: 1'));
      const bytes = await raw(host, `GET ${SOURCE} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect(bytes.split('\r\n')).toContain('X-Injected: 1"');
    });

    it('anything else is one line: a behaviour is a function', async () => {
      const { host } = await gateway(challengeAs(({ realm }) => ({ realm: realm.replace('http:', 'file:') })));
      expect(await challenged(host, SOURCE)).toEqual([`Bearer realm="${tokens.realm.replace('http:', 'file:')}"`]);
    });
  });

  describe('the token server', () => {
    const asked = 'repository:team-a/source:pull';
    const basic = { authorization: `Basic ${Buffer.from(CREDENTIALS).toString('base64')}` };
    const ask = (query = `scope=${asked}`) => get(`${tokens.realm}?service=registry.example&${query}`, basic);
    // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
    const told = async (response: IncomingMessage): Promise<any> => JSON.parse(await text(response));

    it('gives what is held of what is asked for, in the order of the request', async () => {
      const query = `scope=${asked}&scope=repository:team-b/x:pull,push&scope=repository:other/x:pull&scope=registry:catalog:*`;
      const { token, expires_in } = await told(await ask(query));
      const { access, aud, sub } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
      expect({ access, aud, sub, expires_in }).toEqual({
        access: [
          { type: 'repository', name: 'team-a/source', actions: ['pull'] },
          { type: 'repository', name: 'team-b/x', actions: ['pull'] },
        ],
        aud: 'registry.example',
        sub: 'user',
        expires_in: 300,
      });
      expect(tokens.requests).toEqual([
        expect.objectContaining({ user: 'user', service: 'registry.example', scopes: expect.arrayContaining([asked]) }),
      ]);
    });

    it('knows people by password and by refresh token, too, nobody by a wrong one, and anybody only if it is told so', async () => {
      tokens.users.set('other', { password: 'b', refreshToken: 'refresh-b', may: mayOn({ pull: ['team-a/*'] }) });
      const post = async (form: Record<string, string>) => {
        const type = { 'content-type': 'application/x-www-form-urlencoded' };
        return (
          await send(tokens.realm, 'POST', type, new URLSearchParams({ service: 'registry.example', scope: asked, ...form }).toString())
        ).resume().statusCode;
      };
      expect(await post({ grant_type: 'refresh_token', refresh_token: 'refresh-b' })).toBe(200);
      expect(await post({ grant_type: 'refresh_token', refresh_token: 'refresh-c' })).toBe(401);
      expect(await post({ grant_type: 'password', username: 'other', password: 'b' })).toBe(200);
      expect(await post({ grant_type: 'password', username: 'other', password: 'c' })).toBe(401);
      expect((await get(tokens.realm, { authorization: 'Basic dXNlcjp3cm9uZw==' })).resume().statusCode).toBe(401);
      expect(tokens.requests.map(({ user }) => user)).toEqual(['other', undefined, 'other', 'other', 'user']);
      expect((await get(`${tokens.realm}?scope=${asked}`)).resume().statusCode).toBe(401);
      tokens.users.set(':', { password: '', may: () => false });
      const { token } = await told(await get(`${tokens.realm}?scope=${asked}`));
      expect(JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())).toMatchObject({ access: [], aud: 'registry.example' });
    });

    it('60: refuses as it is told, and waits as long as it is told', async () => {
      tokens.conduct = ({ scopes }) => (scopes[0]?.endsWith(':pull') ? { status: 429, headers: { 'retry-after': '7' } } : { status: 403 });
      const refused = (await ask()).resume();
      expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '7']);
      expect((await ask('scope=repository:team-a/x:pull,push')).resume().statusCode).toBe(403);
      const gate = new EventEmitter();
      const until = once(gate, 'open');
      tokens.conduct = () => ({ until });
      const answers: number[] = [];
      const waiting = ask().then((response) => answers.push(response.resume().statusCode!));
      expect((await get(`${registry.origin}/v2/`)).resume().statusCode).toBe(401);
      expect(answers).toEqual([]);
      gate.emit('open');
      await waiting;
      expect(answers).toEqual([200]);
    });

    it('54, 55: says of the lifetime what it is told', async () => {
      tokens.conduct = () => ({ expiresIn: null, issuedAtSkew: -600 });
      const { expires_in, issued_at } = await told(await ask());
      expect(expires_in).toBeUndefined();
      expect(Date.parse(issued_at)).toBeLessThan(Date.now() - 590_000);
      tokens.conduct = () => ({ expiresIn: 10 });
      expect(await told(await ask())).toMatchObject({ expires_in: 10 });
    });

    it('58: answers with garbage, with nothing, with too much, or never to the end', async () => {
      const answered = async (body: 'garbage' | 'empty-token' | 'oversized') => {
        tokens.conduct = () => ({ body });
        return buffer(await ask());
      };
      const garbage = String(await answered('garbage'));
      expect(() => JSON.parse(garbage)).toThrow();
      expect(JSON.parse(String(await answered('empty-token')))).toEqual({ token: '' });
      expect((await answered('oversized')).length).toBeGreaterThan(8_000_000);
      tokens.conduct = () => ({ body: 'trickle' });
      const response = await ask();
      for (let pieces = 0; pieces < 3; pieces++) expect(String((await once(response, 'data'))[0])).toBe(' ');
      response.destroy();
    });

    it('gives a token with a header in it, which a client that pastes would send', async () => {
      tokens.conduct = () => ({ append: '\r\nX-Injected: 1' });
      const { token } = await told(await ask());
      const one = await gateway();
      await raw(
        one.host,
        `GET ${SOURCE} HTTP/1.1\r\nHost: ${one.host}\r\nAccept: ${accept}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
      );
      expect(one.seen).toEqual([expect.objectContaining({ status: 200, authorization: expect.stringMatching(/^Bearer [\w.-]+$/) })]);
    });
  });
});

/** Without following anything. */
const get = (url: string, headers: Record<string, string> = {}, options: object = {}) => send(url, 'GET', headers, '', options);

async function send(
  url: string,
  method: string,
  headers: Record<string, string>,
  body = '',
  options: object = {},
): Promise<IncomingMessage> {
  const length = { 'content-length': String(Buffer.byteLength(body)) };
  const request = httpRequest(url, { method, headers: { ...length, ...headers }, agent: false, ...options });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  request.end(body);
  return (await answered)[0];
}

async function raw(host: string, bytes: string): Promise<string> {
  const [name, port] = host.split(':') as [string, string];
  const socket = connect(Number(port), name).setEncoding('latin1');
  socket.write(bytes);
  return text(socket);
}

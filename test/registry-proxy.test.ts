import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { decodeJwt } from 'jose';
import type { ProxyLimits } from '../src/worker/proxy/limits.js';
import { registryRoute } from '../src/worker/proxy/registry/registry-route-of-run.js';
import { DockerRegistry } from './support/docker-registry.js';
import { type Image, makeImage, writeLayout } from './support/oci-layout.js';
import { newPeerDirectory } from './support/peer-process.js';
import {
  type CleanUps,
  configured,
  type Opened,
  openRegistryProxy,
  openRoutes,
  recorder,
  step,
  upstream,
} from './support/registry-proxy.js';
import { eventually } from './support/service-process.js';
import { Skopeo } from './support/skopeo.js';
import { TlsFront } from './support/tls-front.js';
import { TokenServer } from './support/token-server.js';

const PASSWORD = 'of-the-operator-alone-0123456789';
const OPERATOR = { kind: 'basic', username: 'operator', password: PASSWORD } as const;
const PEERS = DockerRegistry.isInstalled && Skopeo.isInstalled;
if (!PEERS) console.warn('Tests with docker-registry and skopeo are SKIPPED: apt-get install docker-registry skopeo');
const describeWithPeers = PEERS || process.env.CI ? describe : describe.skip;

const cleanUps: CleanUps = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const digest = 'sha256:0000000000000000000000000000000000000000000000000000000000000000';
const open = (origin: string, more: Parameters<typeof configured>[1] = {}, scopes = ['registry-access:*'], now?: () => number) =>
  openRegistryProxy({ registries: [configured(origin, more)], scopes, ...(now && { now }) }, cleanUps);

describeWithPeers('a real registry, whose credentials the operator has', () => {
  const directory = newPeerDirectory();
  let tokens: TokenServer;
  let registry: DockerRegistry;
  beforeAll(async () => {
    tokens = await TokenServer.start();
    tokens.users.set('operator', { password: PASSWORD, may: (repository) => !repository.startsWith('forbidden') });
    registry = await DockerRegistry.start(directory, { auth: tokens.auth });
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await tokens?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    tokens.requests.length = 0;
  });

  /** A run's way there, and what is seen of it on the wire. */
  async function run(scopes: string[], now?: () => number) {
    const wire = await recorder(cleanUps, () => registry.origin);
    const trusted = { credential: OPERATOR, trustedRealms: [tokens.origin] };
    const opened = await open(wire.origin, trusted, scopes, now);
    const bearers = () => wire.seen.map(({ method, url, headers }) => ({ method, url, access: accessOf(headers.authorization) }));
    return { opened, wire, bearers };
  }

  function image(layers = 2): { image: Image; oci: string } {
    const made = makeImage(layers, 100_000);
    const oci = newPeerDirectory();
    writeLayout(oci, made);
    cleanUps.push(() => rmSync(oci, { recursive: true, force: true }));
    return { image: made, oci: `oci:${oci}:latest` };
  }

  const push = (oci: string, { host }: Opened, name: string) =>
    Skopeo.once('copy', '--dest-tls-verify=false', oci, `docker://${host}/${name}`);
  const pull = ({ host }: Opened, name: string, to: string) =>
    Skopeo.once('copy', '--src-tls-verify=false', `docker://${host}/${name}`, to);

  it('9, 13, 70: skopeo without any credentials pushes, pulls and deletes, with a token for just that each time', async () => {
    const { opened, wire, bearers } = await run([
      'registry-access:push:registry.test/team-a/*',
      'registry-access:delete:registry.test/team-a/*',
    ]);
    const { oci } = image();
    expect(await push(oci, opened, 'team-a/app:1')).toMatchObject({ ok: true });
    const back = newPeerDirectory();
    cleanUps.push(() => rmSync(back, { recursive: true, force: true }));
    expect(await pull(opened, 'team-a/app:1', `oci:${path.join(back, 'x')}:latest`)).toMatchObject({ ok: true });
    const deleted = await Skopeo.once('delete', '--tls-verify=false', `docker://${opened.host}/team-a/app:1`);
    expect(deleted).toMatchObject({ ok: true });
    for (const { method, access } of bearers().filter((one) => one.access !== undefined)) {
      const actions = method === 'DELETE' ? ['delete'] : method === 'GET' || method === 'HEAD' ? ['pull'] : ['pull', 'push'];
      expect([method, access]).toEqual([method, [{ type: 'repository', name: 'team-a/app', actions }]]);
    }
    expect(tokens.requests.map(({ scopes }) => scopes.join(' ')).sort()).toEqual([
      ...['repository:team-a/app:delete', 'repository:team-a/app:pull', 'repository:team-a/app:pull,push'],
    ]);
    expect(wire.seen.filter(({ headers }) => headers.cookie ?? headers['proxy-authorization'])).toEqual([]);
  });

  it('10, 34: another repository has another token, and one that the definition does not name is refused before anything is asked', async () => {
    const { opened, wire, bearers } = await run([
      'registry-access:push:registry.test/team-a/*',
      'registry-access:pull:registry.test/team-b/x',
    ]);
    const { oci } = image(1);
    expect(await push(oci, opened, 'team-a/app:1')).toMatchObject({ ok: true });
    await step(opened, 'GET', '/v2/team-b/x/tags/list');
    expect(bearers().at(-1)!.access).toEqual([{ type: 'repository', name: 'team-b/x', actions: ['pull'] }]);
    const [before, asked] = [wire.seen.length, tokens.requests.length];
    const refused = await push(oci, opened, 'team-b/x:1');
    expect(refused.ok).toBe(false);
    expect(refused.output).toContain(`the task needs the scope registry-access:push:${opened.host}/team-b/x in its definition`);
    const { status, text } = await step(opened, 'HEAD', '/v2/team-c/x/manifests/1');
    expect([status, text]).toEqual([403, '']);
    expect(JSON.parse((await step(opened, 'GET', '/v2/_catalog')).text).errors[0]).toMatchObject({
      code: 'DENIED',
      detail: { repository: '' },
    });
    await eventually('it is noted', () => opened.notes.at(-1)!.includes('catalogue'));
    expect(opened.notes.at(-1)).toContain(
      `the catalogue at ${opened.host}: the task needs the scope registry-access:catalog:${opened.host}`,
    );
    expect(wire.seen.slice(before).filter(({ method }) => method !== 'GET' && method !== 'HEAD')).toEqual([]);
    expect(wire.seen.slice(before).filter(({ url }) => !url.startsWith('/v2/team-b/x/'))).toEqual([]);
    expect(tokens.requests.slice(asked).flatMap(({ scopes }) => scopes)).toEqual([]);
  });

  it('what the token server does not grant is refused in words, by HEAD without any', async () => {
    const { opened } = await run(['registry-access:pull:registry.test/*']);
    const { status, text, headers } = await step(opened, 'GET', '/v2/forbidden/x/manifests/1');
    expect([status, headers['www-authenticate']]).toEqual([401, undefined]);
    expect(JSON.parse(text).errors[0].message).toMatch(/forbidden\/x/);
    expect(await step(opened, 'HEAD', '/v2/forbidden/x/manifests/1')).toMatchObject({ status: 401, text: '' });
  });

  it('38, 42: a mount asks for both in one token, which serves nothing else', async () => {
    const { opened, bearers } = await run([
      'registry-access:push:registry.test/team-a/*',
      'registry-access:pull:registry.test/team-b/*',
      'registry-access:push:registry.test/team-b/base',
    ]);
    const made = image(1);
    expect(await push(made.oci, opened, 'team-b/base:1')).toMatchObject({ ok: true });
    tokens.requests.length = 0;
    const { config } = made.image; // skopeo writes layers anew
    const mounted = await step(opened, 'POST', `/v2/team-a/new/blobs/uploads/?mount=${config.digest}&from=team-b/base`);
    expect(mounted).toMatchObject({ status: 201, headers: { location: `/v2/team-a/new/blobs/${config.digest}` } });
    expect(tokens.requests.map(({ scopes }) => scopes)).toEqual([['repository:team-a/new:pull,push', 'repository:team-b/base:pull']]);
    await step(opened, 'POST', '/v2/team-a/new/blobs/uploads/');
    expect(bearers().at(-1)!.access).toEqual([{ type: 'repository', name: 'team-a/new', actions: ['pull', 'push'] }]);
  });

  it('39, 41: where the token server grants no pull of the source, or the blob is not there, it is uploaded', async () => {
    const { opened } = await run(['registry-access:push:registry.test/*']);
    for (const from of ['forbidden/base', 'team-b/none']) {
      const begun = await step(opened, 'POST', `/v2/team-a/new/blobs/uploads/?mount=${digest}&from=${from}`);
      expect(begun.status).toBe(202);
      const blob = Buffer.from(`blob of ${from}`);
      expect((await upload(opened, begun.headers.location!, blob)).status).toBe(201);
    }
  });

  it('a source that the task may not read is not asked for at all', async () => {
    const { opened, wire } = await run(['registry-access:push:registry.test/team-a/*']);
    const begun = await step(opened, 'POST', `/v2/team-a/new/blobs/uploads/?mount=${digest}&from=team-b/base`);
    expect(begun.status).toBe(202);
    expect(wire.seen.filter(({ url }) => /mount|from/.test(url))).toEqual([]);
    expect(tokens.requests.flatMap(({ scopes }) => scopes)).toEqual(['repository:team-a/new:pull,push']);
  });

  it('47, 74: another run cannot use an upload, and nobody is told its state', async () => {
    const [one, two] = [await run(['registry-access:*']), await run(['registry-access:*'])];
    const { headers } = await step(one.opened, 'POST', '/v2/team-a/app/blobs/uploads/');
    expect(headers.location).toMatch(/^\/v2\/team-a\/app\/blobs\/uploads\/[\w-]{24}$/);
    const sent = two.wire.seen.length;
    const refused = await step(two.opened, 'PATCH', headers.location!, { body: 'x' });
    expect([refused.status, JSON.parse(refused.text).errors[0].code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    expect(two.wire.seen).toHaveLength(sent);
    expect((await step(one.opened, 'PATCH', headers.location!.replace('team-a/app', 'team-a/other'), { body: 'x' })).status).toBe(404);
    expect((await step(one.opened, 'PATCH', headers.location!, { body: 'x' })).status).toBe(202);
    expect(one.wire.seen.at(-1)!.url).toContain('_state=');
    const told = JSON.stringify([one.opened.notes, one.opened.logged, two.opened.notes, two.opened.logged, headers, refused]);
    expect(told).not.toMatch(/_state|eyJ|of-the-operator/);
  });

  it('45, 46: an upload that outlives its token is ended with another one', async () => {
    let now = 0;
    const { opened, bearers } = await run(['registry-access:*'], () => now);
    const begun = await step(opened, 'POST', '/v2/team-a/long/blobs/uploads/');
    now += 301_000;
    expect((await upload(opened, begun.headers.location!, Buffer.from('of a long upload'))).status).toBe(201);
    expect(tokens.requests).toHaveLength(2);
    expect(bearers().at(-1)!.access).toEqual([{ type: 'repository', name: 'team-a/long', actions: ['pull', 'push'] }]);
  });
});

describe('a registry that is hostile, or just odd', () => {
  const CANARY = 'canary-of-the-operator-0123456789';
  const canary = { kind: 'basic', username: 'operator', password: CANARY } as const;
  const TOKEN = 'token-canary-0123456789';

  /** A registry that wants a bearer token, of a token server of its own. `answer` is what it says to who has one. */
  async function guarded(answer: Parameters<typeof upstream>[1], more: Parameters<typeof configured>[1] = {}, most?: Partial<ProxyLimits>) {
    const state = { refuse: 0, tokens: 0 };
    const registry = await upstream(cleanUps, (request, response, count) => {
      if (request.url!.startsWith('/token')) {
        state.tokens++;
        return response.end(JSON.stringify({ token: `${TOKEN}-${state.tokens}`, expires_in: 300 }));
      }
      const isBearer = request.headers.authorization?.startsWith(`Bearer ${TOKEN}`);
      if (isBearer && request.url !== '/v2/' && state.refuse-- <= 0) return answer!(request, response, count);
      const challenge = `Bearer realm="${registry.origin}/token",service="test"`;
      response.writeHead(401, { 'www-authenticate': challenge, 'set-cookie': 'a=b' }).end(request.method === 'HEAD' ? undefined : '{}');
    });
    const registries = [configured(registry.origin, { credential: canary, ...more })];
    const opened = await openRegistryProxy({ registries, scopes: ['registry-access:*'], ...(most && { most }) }, cleanUps);
    const asked = () => registry.seen.filter(({ url }) => url !== '/v2/' && !url.startsWith('/token'));
    return { registry, opened, state, asked };
  }

  const trap = () => upstream(cleanUps, (_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
  const redirect = (status: number, location: () => string) => (_: unknown, response: import('node:http').ServerResponse) =>
    void response.writeHead(status, { location: location() }).end();
  const errorOf = ({ text }: { text: string }) => JSON.parse(text).errors[0] as { code: string; message: string };

  it('who asks for many pings and reads none takes no turn from others', async () => {
    const { origin, seen } = await upstream(cleanUps, () => undefined);
    const opened = await open(origin);
    const asked = ['a/b/tags/list', ...Array(40).fill('')].map((path) => `GET /v2/${path} HTTP/1.1\r\nHost: ${opened.host}\r\n\r\n`);
    const socket = connect(opened.socketPath).on('error', () => undefined);
    socket.write(asked.join(''));
    await eventually('it is asked', () => seen.length === 1);
    socket.destroy();
    await eventually('all are over', () => opened.logged.length === 41);
    expect(await step(opened, 'GET', '/v2/')).toMatchObject({ status: 200 });
  });

  it('the ping is answered by the proxy itself, and nothing is asked', async () => {
    const { registry, opened } = await guarded((_, response) => response.end());
    const ping = await step(opened, 'GET', '/v2/');
    expect([ping.status, ping.text, ping.headers['docker-distribution-api-version']]).toEqual([200, '{}', 'registry/2.0']);
    expect(await step(opened, 'HEAD', '/v2/')).toMatchObject({ status: 200, text: '' });
    expect(registry.seen).toEqual([]);
  });

  it('13: neither credentials and cookies of the step nor challenges, cookies and tokens of the registry pass', async () => {
    const { opened, asked } = await guarded((_, response) =>
      response
        .writeHead(200, {
          'set-cookie': 'a=b',
          'www-authenticate': 'Bearer realm="x"',
          authorization: 'x',
          'docker-upload-uuid': 'u',
          etag: '"e"',
        })
        .end('{}'),
    );
    const headers = {
      authorization: 'Bearer mine',
      cookie: 'c=d',
      'proxy-authorization': 'Basic x',
      'x-forwarded-host': 'evil',
      accept: 'a/b',
      range: 'bytes=0-1',
    };
    const told = await step(opened, 'GET', '/v2/team/app/manifests/1', { headers });
    expect(Object.keys(told.headers).sort()).toEqual(['connection', 'date', 'etag', 'transfer-encoding']);
    expect(Object.keys(asked().at(-1)!.headers).sort()).toEqual(['accept', 'authorization', 'connection', 'host', 'range']);
    expect(asked().at(-1)!.headers.authorization).toBe(`Bearer ${TOKEN}-1`);
  });

  it.each([
    ['an origin that is not ours to use', '/v2/team/app/../x/manifests/1'],
    ['a dot that is encoded', '/v2/team/%2e%2e/x/manifests/1'],
    ['a slash that is encoded', '/v2/team%2fapp/manifests/1'],
    ['an empty segment', '/v2//team/app/manifests/1'],
    ['upper case', '/v2/Team/app/manifests/1'],
    ['a path of another API', '/token?service=x'],
    ['another version', '/v1/team/app/tags'],
    ['no action', '/v2/team/app'],
    ['one parameter twice', '/v2/team/app/tags/list?n=1&n=2'],
    ['a parameter that is not encoded', '/v2/team/app/tags/list?n=<1>'],
    ['a long one', `/v2/team/app/tags/list?last=${'x'.repeat(5_000)}`],
  ])('%s is refused, in words that clients print', async (_, target) => {
    const { registry, opened } = await guarded((_request, response) => response.end());
    const told = await step(opened, 'GET', target);
    expect([400, 404]).toContain(told.status);
    expect(errorOf(told)).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringMatching(/.{20}/) });
    expect(registry.seen).toEqual([]);
  });

  it.each([
    ['PATCH', '/v2/team/app/manifests/1'],
    ['POST', '/v2/team/app/tags/list'],
    ['OPTIONS', '/v2/'],
    ['TRACE', '/v2/team/app/manifests/1'],
  ])('%s %s is no method of that', async (method, target) => {
    const { registry, opened } = await guarded((_, response) => response.end());
    expect((await step(opened, method, target)).status).toBe(405);
    expect(registry.seen).toEqual([]);
  });

  it('48: a manifest is sent once more where its token is refused, the very same bytes; a larger one never', async () => {
    const { opened, asked, state } = await guarded((_, response) => response.writeHead(201).end());
    state.refuse = 1;
    const body = 'm'.repeat(500);
    expect((await step(opened, 'PUT', '/v2/team/app/manifests/1', { body })).status).toBe(201);
    expect(asked().map((one) => [one.method, one.body])).toEqual([
      ['PUT', body],
      ['PUT', body],
    ]);
    expect(asked()[0]!.headers.authorization).not.toBe(asked()[1]!.headers.authorization);
    const large = await step(opened, 'PUT', '/v2/team/app/manifests/1', { body: Buffer.alloc(4 * 1024 * 1024 + 1) });
    expect([large.status, errorOf(large).code]).toEqual([413, 'SIZE_INVALID']);
    const chunked = await step(opened, 'PUT', '/v2/team/app/manifests/1', {
      body: Buffer.alloc(4 * 1024 * 1024 + 1),
      headers: { expect: '100-continue' },
    });
    expect(chunked.status).toBe(413);
    expect(asked()).toHaveLength(2);
  });

  it('a second refusal is final', async () => {
    const { opened, asked, state } = await guarded((_, response) => response.end());
    state.refuse = 10;
    expect((await step(opened, 'GET', '/v2/team/app/manifests/1')).status).toBe(401);
    expect(asked()).toHaveLength(2);
  });

  const uploads = '/v2/team/app/blobs/uploads/';
  const opening =
    (location: () => string) => (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) =>
      void (request.method === 'POST'
        ? response.writeHead(202, { location: location(), range: '0-0' }).end()
        : request.resume().on('end', () => response.writeHead(202, { location: location() }).end()));

  it('43: what is streamed is not sent before its POST was answered, and never twice; a 401 is the answer', async () => {
    const { opened, asked, state } = await guarded(opening(() => `${uploads}u?_state=secret`));
    const { headers } = await step(opened, 'POST', uploads);
    state.refuse = 1;
    const refused = await step(opened, 'PATCH', headers.location!, { body: 'x'.repeat(100_000) });
    expect([refused.status, errorOf(refused).message]).toEqual([401, expect.stringContaining('begin the upload anew')]);
    expect(asked().map(({ method }) => method)).toEqual(['POST', 'PATCH']);
    expect((await step(opened, 'PATCH', headers.location!, { body: 'again' })).status).toBe(202);
  });

  it('43: a step that hangs up in the middle of a blob does not end it', async () => {
    const { opened, asked } = await guarded(opening(() => `${uploads}u`));
    const { headers } = await step(opened, 'POST', uploads);
    const socket = connect(opened.socketPath).on('error', () => undefined);
    socket.write(`PATCH ${headers.location} HTTP/1.1\r\nHost: ${opened.host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
    await eventually('it has begun', () => asked().some(({ body }) => body === 'hello'));
    socket.destroy();
    await eventually('it is broken off', () => asked().at(-1)!.closed);
    expect(asked().at(-1)).toMatchObject({ method: 'PATCH', complete: false });
  });

  it('44: 100-continue is answered by the proxy: a registry may say nothing until it has the body', async () => {
    const { opened, asked } = await guarded(opening(() => `${uploads}u`));
    const { headers } = await step(opened, 'POST', uploads);
    const socket = connect(opened.socketPath).on('error', () => undefined);
    let text = '';
    socket.on('data', (piece: Buffer) => (text += piece));
    socket.write(`PATCH ${headers.location} HTTP/1.1\r\nHost: ${opened.host}\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n`);
    await eventually('it may go on', () => text === 'HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('x');
    await eventually('it is taken', () => /\r\n\r\nHTTP\/1\.1 202 /.test(text));
    socket.destroy();
    expect(asked().at(-1)).toMatchObject({ method: 'PATCH', body: 'x' });
    expect(asked().at(-1)!.headers.expect).toBeUndefined();
  });

  it('44: one that says nothing at all, body or not, is given up in time', async () => {
    const { registry, opened } = await guarded(
      (request, response) => (request.method === 'POST' ? opening(() => `${uploads}u`)(request, response) : undefined),
      {},
      { idleMs: 200 },
    );
    const { headers } = await step(opened, 'POST', uploads);
    const told = await step(opened, 'PATCH', headers.location!, { body: 'x' });
    expect([told.status, errorOf(told).message]).toEqual([504, expect.stringContaining(registry.origin)]);
  });

  it('a blob that comes with the POST is not streamed, and one that is too large not at all', async () => {
    const { opened, asked } = await guarded(
      opening(() => `${uploads}u`),
      {},
    );
    expect((await step(opened, 'POST', `${uploads}?digest=${digest}`, { body: 'x'.repeat(100_000) })).status).toBe(202);
    expect(asked().map(({ url, body }) => [url, body])).toEqual([[uploads, '']]);
  });

  it.each([401, 403, 404, 500])('40: a mount that is answered %d costs no push', async (status) => {
    const { opened, asked } = await guarded((request, response) => {
      const isMount = request.url!.includes('mount=');
      response.writeHead(isMount ? status : 202, isMount ? {} : { location: `${uploads}u` }).end();
    });
    const told = await step(opened, 'POST', `${uploads}?mount=${digest}&from=team/base`);
    expect([told.status, asked().at(-1)!.url]).toEqual([202, uploads]);
  });

  it('43: a mount that comes to nothing proves no token for its upload, so that a plain one is opened', async () => {
    const { opened, asked } = await guarded(opening(() => `${uploads}u`));
    const mount = `${uploads}?mount=${digest}&from=team/base`;
    for (const round of [1, 2]) expect([round, (await step(opened, 'POST', mount)).status]).toEqual([round, 202]);
    expect(asked().map(({ url }) => url.includes('mount'))).toEqual([true, false, true]);
  });

  it.each<[string, (own: string, other: string) => string]>([
    ['another port', (_, other) => `${other}${uploads}u`],
    ['another host', () => 'http://evil.example/v2/x'],
    ['another scheme', (own) => own.replace('http:', 'https:') + uploads],
    ['two slashes', (_, other) => `${other.replace('http:', '')}/x`],
    ['a user', (own) => `${own.replace('//', '//a:b@')}${uploads}u`],
    ['another repository', () => '/v2/team/other/blobs/uploads/u'],
    ['a manifest of another repository, with a semicolon', () => '/v2/team/other/manifests/latest?;'],
    ['another repository, with parameters that are there twice', () => '/v2/team/other/blobs/uploads/u?from=a&from=b'],
    ['another repository, with two slashes', () => '/v2//team/other/blobs/uploads/u'],
    ['another repository, in capitals', () => '/V2/team/other/blobs/uploads/u'],
    ['another repository, by %76', () => '/%762/team/other/blobs/uploads/u'],
    ['another repository, by %2f', () => '/x/..%2fv2/team/other/blobs/uploads/u'],
    ['another repository, below an upload', () => `${uploads}..%2f..%2f..%2fother/blobs/uploads/u`],
    ['a repository below its own', () => `${uploads}u/manifests/latest`],
    ['what is no URL', () => 'http://[x'],
    ['much', () => `${uploads}u?_state=${'x'.repeat(9_000)}`],
  ])('69: an upload that goes on at %s is an error, and nothing is sent there', async (_, location) => {
    const other = await trap();
    const { registry, opened, asked } = await guarded((request, response) =>
      opening(() => location(registry.origin, other.origin))(request, response),
    );
    const told = await step(opened, 'POST', uploads);
    expect([told.status, told.headers.location]).toEqual([502, undefined]);
    expect([asked().length, other.seen]).toEqual([1, []]);
    expect(opened.notes.join()).not.toContain('_state');
  });

  it.each([401, 404, 416, 500])('47: an upload that is answered by %i does not tell where the registry has it', async (status) => {
    const { opened, asked } = await guarded((request, response) => {
      if (request.method === 'POST') opening(() => `${uploads}u?_state=s`)(request, response);
      else response.writeHead(status, { location: `${uploads}u?_state=s`, range: '0-4' }).end();
    });
    const { headers } = await step(opened, 'POST', uploads);
    const told = await step(opened, 'PATCH', headers.location!, { body: 'abc' });
    expect([told.status, told.headers.location ?? headers.location]).toEqual([status, headers.location]);
    expect(asked().at(-1)!.url).toBe(`${uploads}u?_state=s`);
  });

  it.each<[string, (own: string) => string]>([
    ['outside of the API', () => '/uploads/namespaces/team/up:1?_state=s'],
    ['by another word', () => '/v2/team/app/blobs/upload/1%3Aup?from=x&from=y'],
    ['relative', () => `${uploads}up?_state=s`],
    ['relative to the path', () => 'up?_state=s'],
    ['absolute', (own) => `${own}${uploads}up?_state=s`],
  ])('70: an upload that goes on at the same origin, %s, is named anew', async (_, location) => {
    const { registry, opened, asked } = await guarded((request, response) => opening(() => location(registry.origin))(request, response));
    const { pathname, search } = new URL(location(registry.origin), `${registry.origin}${uploads}`);
    const { headers } = await step(opened, 'POST', uploads);
    expect(headers.location).toMatch(/^\/v2\/team\/app\/blobs\/uploads\/[\w-]{24}$/);
    const patched = await step(opened, 'PATCH', headers.location!, { body: 'x' });
    expect([patched.status, patched.headers.location]).toEqual([202, headers.location]);
    await step(opened, 'PUT', `${headers.location}?digest=${digest}`, { body: '' });
    expect(
      asked()
        .slice(1)
        .map(({ url }) => url),
    ).toEqual([`${pathname}${search}`, `${pathname}${search}&digest=${encodeURIComponent(digest)}`]);
  });

  it('67: what a registry redirects to is asked for without any credentials, on another port of the same host, too', async () => {
    const elsewhere = await upstream(cleanUps, (_, response) => response.writeHead(206, { 'set-cookie': 'a=b' }).end('bytes'));
    const { opened } = await guarded(
      redirect(307, () => `${elsewhere.origin}/signed?x=1`),
      { redirects: [elsewhere.origin] },
    );
    const told = await step(opened, 'GET', `/v2/team/app/blobs/${digest}`, { headers: { range: 'bytes=0-4', cookie: 'c=d' } });
    expect([told.status, told.text, told.headers['set-cookie']]).toEqual([206, 'bytes', undefined]);
    expect(elsewhere.seen.map(({ url, headers }) => [url, Object.keys(headers).sort()])).toEqual([
      ['/signed?x=1', ['connection', 'host', 'range']],
    ]);
  });

  it.each<[string, (own: string) => string]>([
    ['a password', () => 'Basic realm="x"'],
    ['a token of its own realm', (own) => `Bearer realm="${own}/token",service="test",scope="repository:team/app:pull"`],
  ])('68: a 401 from there, for want of %s, is the answer', async (_, challenge) => {
    const other = await upstream(cleanUps, (_request, response) =>
      response.writeHead(401, { 'www-authenticate': challenge(registry.origin) }).end(),
    );
    const { registry, opened, state } = await guarded(
      redirect(302, () => `${other.origin}/x`),
      { redirects: [other.origin] },
    );
    const told = await step(opened, 'GET', `/v2/team/app/blobs/${digest}`);
    expect([told.status, told.headers['www-authenticate'], other.seen.length, state.tokens]).toEqual([401, undefined, 1, 1]);
    expect(other.seen[0]!.headers.authorization).toBeUndefined();
  });

  it.each<[string, (other: string) => string]>([
    ['what only the worker can reach', (other) => `${other}/x`],
    ['the address of a cloud', () => 'http://169.254.169.254/latest/meta-data'],
    ['an address in another spelling', (other) => `${other.replace('127.0.0.1', '[::ffff:127.0.0.1]')}/x`],
    ['localhost', (other) => `${other.replace('127.0.0.1', 'localhost')}/x`],
    ['a file', () => 'file:///etc/passwd'],
    ['a user', (other) => `${other.replace('//', '//a:b@')}/x`],
    ['itself for ever', () => `/v2/team/app/blobs/${digest}`],
    ['nowhere', () => ''],
  ])('a redirect to %s is not followed', async (_, location) => {
    const other = await trap();
    const { opened } = await guarded(redirect(307, () => location(other.origin)));
    const told = await step(opened, 'GET', `/v2/team/app/blobs/${digest}`);
    expect([told.status === 401 ? 401 : 502, other.seen]).toEqual([told.status, []]);
  });

  it.each([
    ['POST', uploads],
    ['PUT', '/v2/team/app/manifests/1'],
    ['GET', '/v2/team/app/tags/list'],
    ['DELETE', '/v2/team/app/manifests/1'],
  ])('%s %s is never redirected', async (method, target) => {
    const other = await trap();
    const { opened } = await guarded(
      redirect(307, () => `${other.origin}/x`),
      { redirects: [other.origin] },
    );
    expect((await step(opened, method, target)).status).toBe(502);
    expect(other.seen).toEqual([]);
  });

  it.each<[string, (own: string, other: string) => string, string | undefined]>([
    ['its own', () => '</v2/team/app/tags/list?n=1&last=a>; rel="next"', '</v2/team/app/tags/list?n=1&last=a>; rel="next"'],
    ['its own, absolute', (own) => `<${own}/v2/team/app/tags/list?last=a>; rel=next`, '</v2/team/app/tags/list?last=a>; rel="next"'],
    ['of other things', () => '<https://example.com/>; rel="help"', undefined],
  ])('71: a next page that is %s is told as the step may ask for it', async (_, link, told) => {
    const { registry, opened } = await guarded((_request, response) =>
      response.writeHead(200, { link: link(registry.origin, '') }).end('{}'),
    );
    expect((await step(opened, 'GET', '/v2/team/app/tags/list?n=1')).headers.link).toBe(told);
  });

  it.each<[string, (other: string) => string]>([
    ['at another origin', (other) => `<${other}/v2/team/app/tags/list?last=a>; rel="next"`],
    ['of another repository', () => '</v2/team/other/tags/list?last=a>; rel="next"'],
    ['of another API', () => '</api/tags>; rel="next"'],
  ])('71: a next page %s is an error: the list would look like all there is', async (_, link) => {
    const other = await trap();
    const { opened } = await guarded((_request, response) => response.writeHead(200, { link: link(other.origin) }).end('{}'));
    expect((await step(opened, 'GET', '/v2/team/app/tags/list')).status).toBe(502);
    expect(other.seen).toEqual([]);
  });

  it('61: a realm elsewhere gets nothing, and the step is told why', async () => {
    const other = await trap();
    const registry = await upstream(cleanUps, (_, response) =>
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${other.origin}/token"` }).end(),
    );
    const opened = await open(registry.origin, { credential: canary });
    const told = await step(opened, 'GET', '/v2/team/app/manifests/1');
    expect([401, 502]).toContain(told.status);
    expect(errorOf(told).message).toContain(other.origin);
    expect(errorOf(told).message).toContain(registry.origin);
    expect(other.seen).toEqual([]);
  });

  it('74: nothing of it is in what is logged or answered, and what was refused is noted without its query', async () => {
    const { opened } = await guarded((_, response) => response.writeHead(500).end('{}'));
    const told = await step(opened, 'GET', '/v2/team/app/tags/list?last=canary-query');
    await eventually('it is noted', () => opened.notes.length > 0);
    expect(opened.notes).toEqual([`registry ${opened.host}: GET /v2/team/app/tags/list was answered 500`]);
    expect(JSON.stringify([opened.notes, opened.logged, told])).not.toMatch(/canary/);
  });

  it('12: a token of a run before, whoever has it, is not passed on for the next one, nor opens what that may not', async () => {
    const { registry, opened } = await guarded((_, response) => response.end('{}'));
    await step(opened, 'GET', '/v2/team/app/tags/list');
    const former = registry.seen.at(-1)!.headers.authorization!;
    expect(former).toBe(`Bearer ${TOKEN}-1`);
    await opened.close();
    const next = await open(registry.origin, { credential: canary }, ['registry-access:pull:registry.test/team/app']);
    const sent = registry.seen.length;
    const headers = { authorization: former, 'proxy-authorization': former, cookie: `token=${former}` };
    expect((await step(next, 'GET', '/v2/team/other/tags/list', { headers })).status).toBe(403);
    expect(registry.seen).toHaveLength(sent);
    expect((await step(next, 'GET', '/v2/team/app/tags/list', { headers })).status).toBe(200);
    expect(registry.seen.at(-1)!.headers.authorization).toBe(`Bearer ${TOKEN}-2`);
    expect(JSON.stringify(registry.seen.slice(sent).map((one) => one.headers))).not.toContain(`${TOKEN}-1`);
  });

  it('12: when the run has ended nothing is sent any more', async () => {
    const { registry, opened } = await guarded((_, response) => response.end('{}'));
    await step(opened, 'GET', '/v2/team/app/tags/list');
    const sent = registry.seen.length;
    await opened.close();
    await expect(step(opened, 'GET', '/v2/team/app/tags/list')).rejects.toThrow();
    expect(registry.seen).toHaveLength(sent);
  });

  it('a blob may be larger than a call of the API, and no larger than is said', async () => {
    const registry = await upstream(
      cleanUps,
      opening(() => `${uploads}u`),
    );
    const registries = [configured(registry.origin)];
    const opened = await openRegistryProxy({ registries, scopes: ['registry-access:*'], bodyBytes: 10_000 }, cleanUps);
    const { headers } = await step(opened, 'POST', uploads);
    const sent = registry.seen.length;
    expect((await step(opened, 'PATCH', headers.location!, { body: Buffer.alloc(10_001) })).status).toBe(413);
    expect(registry.seen).toHaveLength(sent);
    const socket = connect(opened.socketPath).on('error', () => undefined);
    let text = '';
    socket.on('data', (piece: Buffer) => (text += piece));
    const chunk = `1770\r\n${'x'.repeat(6_000)}\r\n`;
    socket.write(`PATCH ${headers.location} HTTP/1.1\r\nHost: ${opened.host}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`);
    await eventually('it is refused', () => /^HTTP\/1\.1 413 .*SIZE_INVALID/s.test(text));
    await eventually('it is broken off', () => registry.seen.at(-1)!.closed);
    expect(registry.seen.filter(({ method, complete }) => method === 'PATCH' && complete)).toEqual([]);
    socket.destroy();
    const usual = await open(registry.origin);
    const large = connect(usual.socketPath).on('error', () => undefined);
    const length = 2 * 1024 ** 3;
    const { headers: begun } = await step(usual, 'POST', uploads);
    large.write(`PATCH ${begun.location} HTTP/1.1\r\nHost: ${usual.host}\r\nContent-Length: ${length}\r\n\r\nbytes`);
    await eventually('it is passed on', () => registry.seen.at(-1)!.headers['content-length'] === String(length));
    large.destroy();
  });

  it('77: the authority of a registry is believed for it, and without it there is no connection', async () => {
    const directory = newPeerDirectory();
    const front = await TlsFront.start(directory);
    cleanUps.push(
      () => front.close(),
      () => rmSync(directory, { recursive: true, force: true }),
    );
    front.target = (await upstream(cleanUps)).origin;
    const trusting = await open(front.url, { ca: readFileSync(front.certificate, 'utf8') });
    expect((await step(trusting, 'GET', '/v2/team/app/tags/list')).status).toBe(200);
    const told = await step(await open(front.url), 'GET', '/v2/team/app/tags/list');
    expect(told.status).toBe(502);
  });

  it('a host is a registry whatever its case and with the port of its scheme; others are not', async () => {
    const { registry, opened } = await guarded((_, response) => response.end('{}'), { name: 'registry.example' });
    for (const host of ['registry.example', 'REGISTRY.example:80', 'registry.example:443'])
      expect((await step({ ...opened, host }, 'GET', '/v2/')).status).toBe(200);
    for (const host of ['registry.example:81', 'registry.example.', 'xregistry.example', new URL(registry.origin).host])
      expect((await step({ ...opened, host }, 'GET', '/v2/')).status).toBe(400);
  });

  it('a registry that cannot be reached, and an address that is not to be, are told without anything of the system', async () => {
    for (const origin of ['http://127.0.0.1:1', 'http://localhost:1']) {
      const opened = await open(origin, origin.includes('localhost') ? { addresses: ['public'] } : {});
      const told = await step(opened, 'GET', '/v2/team/app/tags/list');
      expect([told.status, /errno|syscall|stack/.test(told.text)]).toEqual([502, false]);
    }
  });
});

describe('as the run itself', () => {
  it('12, 75: token requests are signed with the credentials of the moment, for the scopes of steps alone, and no token outlives a reclaim', async () => {
    const service = await upstream(cleanUps, (_, response, count) => response.end(JSON.stringify({ token: `t${count}`, expires_in: 300 })));
    const registry = await upstream(cleanUps, ({ headers }, response) => {
      const challenge = `Bearer realm="${service.origin}/registry/token",service="ours"`;
      if (headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': challenge }).end();
      else response.end('{}');
    });
    let clientId = 'task-client/first';
    const realm = `${service.origin}/registry/token`;
    const route = registryRoute({
      registries: [configured(registry.origin, { credential: 'run', realm })],
      ...{ rootUrl: service.origin, scopes: ['registry:pull:team/*'], definitionScopes: [], sessionId: 'task/0', note: () => undefined },
      credentials: () => ({ clientId, accessToken: 'a-token-of-the-run-000000000000000000' }),
    });
    const opened = await openRoutes([route!], cleanUps);
    const read = () => step(opened, 'GET', '/v2/team/app/tags/list');
    for (const next of ['task-client/first', 'task-client/first', 'task-client/second']) {
      clientId = next;
      expect((await read()).status).toBe(200);
    }
    const signed = service.seen.map(({ headers }) => headers.authorization!);
    expect(signed.map((header) => /^Hawk id="([^"]+)"/.exec(header)?.[1])).toEqual(['task-client/first', 'task-client/second']);
    const [, ext = ''] = /ext="([^"]+)"/.exec(signed[0]!) ?? [];
    expect(JSON.parse(Buffer.from(ext, 'base64').toString())).toEqual({ authorizedScopes: ['registry:pull:team/*'] });
    expect(service.seen[0]!.url).toBe('/registry/token?scope=repository%3Ateam%2Fapp%3Apull');
    const bearers = registry.seen.filter(({ url }) => url !== '/v2/').map(({ headers }) => headers.authorization);
    expect(bearers).toEqual(['Bearer t1', 'Bearer t1', 'Bearer t2']);
  });

  it('without registries there is no such route', () => {
    const none = { rootUrl: 'http://127.0.0.1:1', scopes: [], definitionScopes: [], sessionId: 'x', note: () => undefined };
    expect(registryRoute({ ...none, registries: [], credentials: () => ({ clientId: 'x', accessToken: 'x' }) })).toBeUndefined();
  });
});

describe('two registries, two credentials', () => {
  it('8, 14: each repository is asked for by the credential of its longest prefix, each registry by its own', async () => {
    const basic = (username: string) => ({ kind: 'basic', username, password: `of-${username}-alone` }) as const;
    const plain = () =>
      upstream(cleanUps, ({ headers }, response) => {
        if (headers.authorization) response.end('{}');
        else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      });
    const [one, two] = [await plain(), await plain()];
    const credentials = [
      { prefix: '', credential: 'none' as const },
      { prefix: 'team', credential: basic('a') },
      { prefix: 'team/app', credential: basic('b') },
    ];
    const registries = [configured(one.origin, { credentials }), configured(two.origin, { name: 'two.test', credential: basic('c') })];
    const opened = await openRegistryProxy({ registries, scopes: ['registry-access:*'] }, cleanUps);
    for (const repository of ['team/app', 'team/app/x', 'team/application', 'teams/x'])
      await step(opened, 'GET', `/v2/${repository}/tags/list`);
    await step({ ...opened, host: 'two.test' }, 'GET', '/v2/team/app/tags/list');
    const users = ({ seen }: { seen: { url: string; headers: { authorization?: string } }[] }) =>
      seen.flatMap(({ url, headers: { authorization } }) =>
        authorization ? `${url.slice(4, -10)} ${Buffer.from(authorization.slice(6), 'base64').toString()[0]}` : [],
      );
    expect(users(one)).toEqual(['team/app b', 'team/app/x b', 'team/application a']);
    expect(users(two)).toEqual(['team/app c']);
    const [before, mount] = [one.seen.length, `/v2/team/app/blobs/uploads/?mount=${digest}&from=`];
    for (const from of ['team/other', 'team/app/x']) await step(opened, 'POST', `${mount}${from}`);
    const mounts = one.seen.slice(before).flatMap(({ url }) => new URL(url, one.origin).searchParams.get('from') ?? []);
    expect(new Set(mounts)).toEqual(new Set(['team/app/x'])); // nothing is read by the credential of what is written
  });

  it('7, 8: what is to be asked for as anybody is not asked for by the credential of a shorter prefix', async () => {
    const { origin, seen } = await upstream(cleanUps, ({ headers }, response) => {
      if (headers.authorization) response.end('{}');
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    });
    const credentials = [
      { prefix: '', credential: OPERATOR },
      { prefix: 'public', credential: 'none' as const },
    ];
    const opened = await open(origin, { credentials });
    expect(await step(opened, 'GET', '/v2/public/x/tags/list')).toMatchObject({ status: 401 });
    expect(seen.filter(({ headers }) => headers.authorization)).toEqual([]);
    expect(await step(opened, 'GET', '/v2/publicity/tags/list')).toMatchObject({ status: 200 });
  });
});

/** Sends a blob to an upload that was begun: piece by piece, as skopeo does, and then the digest. */
async function upload(opened: Opened, location: string, blob: Buffer) {
  const patched = await step(opened, 'PATCH', location, { body: blob, headers: { 'content-type': 'application/octet-stream' } });
  expect(patched.status).toBe(202);
  const named = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
  return step(opened, 'PUT', `${patched.headers.location}?digest=${named}`, { headers: { 'content-length': '0' } });
}

function accessOf(authorization: string | undefined): unknown {
  return authorization === undefined ? undefined : decodeJwt(authorization.replace('Bearer ', '')).access;
}

import { execFile, execFileSync } from 'node:child_process';
import type { lookup } from 'node:dns';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { ApiRoute } from '../src/worker/proxy/api-route.js';
import { type CredentialProxy, type CredentialProxyOptions, openCredentialProxy } from '../src/worker/proxy/credential-proxy.js';
import { allowedOrigin, type OutgoingSetting } from '../src/worker/proxy/outgoing/allowed-origin.js';
import { type OutgoingRouteOptions, outgoingRoute } from '../src/worker/proxy/outgoing/outgoing-route.js';
import { eventually } from './support/service-process.js';
import { privateDirectory } from './support/unprivileged.js';

type Logged = Parameters<CredentialProxyOptions['log']>[0];

const SECRET = 'the-key-of-nobody-in-particular-000000000000';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A DNS. What is not in it is nowhere. */
function dns(names: Record<string, readonly string[] | (() => readonly string[])>): typeof lookup {
  const resolve = (name: string, _: unknown, callback: (error: Error | null, addresses: unknown) => void) => {
    const entry = names[name];
    const addresses = typeof entry === 'function' ? entry() : entry;
    if (!addresses) callback(Object.assign(new Error(`ENOTFOUND ${name}`), { code: 'ENOTFOUND' }), []);
    else
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
  };
  return resolve as unknown as typeof lookup;
}

interface Proxied {
  socketPath: string;
  proxy: CredentialProxy;
  logged: Logged[];
}

type Options = Partial<OutgoingRouteOptions> & Pick<CredentialProxyOptions, 'most'>;

/** The proxy of a run, behind which there is the API, too. */
async function open(
  outgoing: readonly OutgoingSetting[],
  { most, rootUrl = 'http://tasks.test', ...options }: Options = {},
): Promise<Proxied> {
  const directory = privateDirectory('outgoing');
  const [socketPath, logged] = [path.join(directory, 'api'), [] as Logged[]];
  const api = new ApiRoute({ rootUrl, credentials: () => ({ clientId: 'somebody', accessToken: SECRET }) });
  const route = outgoingRoute(outgoing.map(allowedOrigin), { rootUrl, resolve: dns({ 'mirror.test': ['127.0.0.1'] }), ...options });
  const proxy = await openCredentialProxy({
    ...{ socketPath, routes: route ? [route, api] : [api], log: (call) => logged.push(call) },
    ...(most && { most }),
  });
  cleanUps.push(async () => {
    await proxy.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { socketPath, proxy, logged };
}

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

/** Closes what it has taken, too. */
async function serving(server: Server): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
  });
  const port = await listening(server);
  cleanUps.push(async () => {
    for (const socket of sockets) socket.destroy();
    await once(server.close(), 'close');
  });
  return { port, sockets };
}

interface Seen {
  method: string;
  url: string;
  raw: string[];
  headers: IncomingMessage['headers'];
  body: string;
  complete: boolean;
  closed: boolean;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A web server that notes what it gets. */
async function mirror(
  answer: Answer = (_, response) => response.end('here'),
): Promise<{ port: number; seen: Seen[]; sockets: Set<Socket> }> {
  const seen: Seen[] = [];
  const note: Answer = (request, response) => {
    const { method = '', url = '', rawHeaders: raw, headers } = request;
    const one: Seen = { method, url, raw, headers, body: '', complete: false, closed: false };
    seen.push(one);
    request.on('data', (piece: Buffer) => (one.body += piece.toString('latin1')));
    request.on('end', () => (one.complete = true));
    response.on('close', () => (one.closed = true));
    answer(request, response);
  };
  return { ...(await serving(createServer(note).on('checkContinue', note))), seen };
}

/** At the name mirror.test, which is on this machine. */
const local = (port: number, scheme = 'http'): OutgoingSetting => ({ origin: `${scheme}://mirror.test:${port}`, addresses: ['loopback'] });

/** What comes back for these bytes, until the proxy hangs up, or has said enough. */
async function raw(socketPath: string, bytes: string, enough = (_: string): boolean => false): Promise<string> {
  const socket = connect(socketPath);
  cleanUps.push(() => socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => (text += piece));
  socket.on('error', () => undefined).write(Buffer.from(bytes, 'latin1'));
  await eventually(`an end of the answer, which is ${text}`, () => socket.closed || enough(text));
  socket.destroy();
  return text;
}

const ask = ({ socketPath }: Proxied, line: string, headers = '', body = '') =>
  raw(socketPath, `${line} HTTP/1.1\r\nHost: elsewhere.test\r\nConnection: close\r\n${headers}\r\n${body}`);

const refusalIn = (text: string) => JSON.parse(/\r\n\r\n(\{.*\})\n$/s.exec(text)?.[1] ?? '{}') as { code?: string; message?: string };

/** A tunnel, and the first bytes in it. */
async function tunnel(
  { socketPath }: Proxied,
  authority: string,
  early = '',
): Promise<{ socket: Socket; head: string; said: () => string }> {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  cleanUps.push(() => socket.destroy());
  let text = '';
  socket.on('error', () => undefined).on('data', (piece: Buffer) => (text += piece.toString('latin1')));
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n${early}`);
  await eventually(`an answer to CONNECT, which is ${text}`, () => socket.closed || text.includes('\r\n\r\n'));
  const head = text.split('\r\n\r\n', 1).join();
  return { socket, head, said: () => text.slice(head.length + 4) };
}

const ESTABLISHED = /^HTTP\/1\.1 200 [^\r]*$/;

describe('a request whose target is a URL', () => {
  it('is sent to the origin that is listed, and its answer comes back as it is', async () => {
    const { port, seen } = await mirror((_, response) =>
      response
        .writeHead(302, { location: 'http://other.test/', 'set-cookie': ['a=1', 'b=2'], 'www-authenticate': 'Basic realm="x"' })
        .end('moved'),
    );
    const proxied = await open([local(port)]);
    const text = await ask(proxied, `GET http://mirror.test:${port}/simple/left-pad/?a=b&c=%20d`);
    expect(text).toMatch(/^HTTP\/1\.1 302 Found\r\n/);
    for (const line of [
      'location: http://other.test/',
      'set-cookie: a=1',
      'set-cookie: b=2',
      'www-authenticate: Basic realm="x"',
      'via: 1.1 leasehold',
    ])
      expect(text).toContain(`\r\n${line}\r\n`);
    expect(text).toContain('moved');
    expect(seen.map(({ method, url, headers }) => [method, url, headers.host])).toEqual([
      ['GET', '/simple/left-pad/?a=b&c=%20d', `mirror.test:${port}`],
    ]);
    expect(proxied.logged).toEqual([
      { method: 'GET', path: `http://mirror.test:${port}/simple/left-pad/`, status: 302, ms: expect.any(Number) },
    ]);
  });

  it('takes along what is for the other end, and nothing that is for this one, nor any credential of ours', async () => {
    const { port, seen } = await mirror((_, response) =>
      response
        .writeHead(200, { connection: 'x-hop, close', 'x-hop': '1', 'proxy-authenticate': 'Basic', 'x-end': '1', via: '1.0 other' })
        .end(),
    );
    const headers = [
      'Authorization: Basic c3RlcA==',
      'Cookie: own=1',
      'X-Twice: a',
      'X-Twice: b',
      'Via: 1.1 before',
      'Proxy-Authorization: Basic c2VjcmV0',
      'Proxy-Connection: keep-alive',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Trailer: x-sum',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
      'Connection: X-Named, Content-Length',
      'X-Named: 1',
      'Content-Length: 3',
      '__proto__: 1',
      'constructor: 1',
    ];
    const text = await ask(
      await open([local(port)]),
      `POST http://mirror.test:${port}/upload`,
      headers.map((line) => `${line}\r\n`).join(''),
      'abc',
    );
    const { raw: lines, body } = seen[0]!;
    const pairs = lines.flatMap((name, index) => (index % 2 === 0 ? [`${name.toLowerCase()}: ${lines[index + 1]}`] : []));
    expect(pairs.sort()).toEqual([
      '__proto__: 1',
      'authorization: Basic c3RlcA==',
      'connection: close',
      'constructor: 1',
      'content-length: 3',
      'cookie: own=1',
      `host: mirror.test:${port}`,
      'via: 1.1 before',
      'via: 1.1 leasehold',
      'x-twice: a',
      'x-twice: b',
    ]);
    expect([body, lines.join().includes(SECRET)]).toEqual(['abc', false]);
    expect(text).toMatch(/\r\nx-end: 1\r\n/);
    expect(text).toMatch(/\r\nvia: 1\.0 other\r\nvia: 1\.1 leasehold\r\n/);
    expect(text).not.toMatch(/x-hop|proxy-authenticate/i);
  });

  it.each([
    ['GET', 'Content-Length: 30\r\n', 'GET /smuggled HTTP/1.1\r\nA: b\r\n'],
    ['DELETE', 'Transfer-Encoding: chunked\r\n', '1e\r\nGET /smuggled HTTP/1.1\r\nA: b\r\n\r\n0\r\n\r\n'],
    ['PATCH', 'Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n', '1e\r\nGET /smuggled HTTP/1.1\r\nA: b\r\n\r\n0\r\n\r\n'],
    ['PROPFIND', 'Content-Length: 30\r\nConnection: content-length\r\n', 'GET /smuggled HTTP/1.1\r\nA: b\r\n'],
  ])('%s: its body is one there, too, however it was framed here', async (method, headers, body) => {
    const { port, seen } = await mirror((request, response) => request.resume().on('end', () => response.end('all')));
    expect(await ask(await open([local(port)]), `${method} http://mirror.test:${port}/x`, headers, body)).toMatch(/^HTTP\/1\.1 200 /);
    expect(seen.map(({ url, body: arrived }) => [url, arrived])).toEqual([['/x', 'GET /smuggled HTTP/1.1\r\nA: b\r\n']]);
  });

  it.each([
    ['GET', (port: number) => `http://MIRROR.test.:${port}`, '/'],
    ['GET', (port: number) => `HTTP://mirror.test:${port}?q=1`, '/?q=1'],
    ['OPTIONS', (port: number) => `http://mirror.test:${port}`, '*'],
    ['HEAD', (port: number) => `http://mirror.test:${port}/a//../b|{}`, '/a//../b|{}'],
  ])('%s of another spelling of the same is the same', async (method, url, resource) => {
    const { port, seen } = await mirror();
    expect(await ask(await open([local(port)]), `${method} ${url(port)}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(seen.map(({ url: arrived, headers }) => [arrived, headers.host])).toEqual([[resource, `mirror.test:${port}`]]);
  });

  it('of an address that is listed needs no more to be said, also of IPv6', async () => {
    const { port, seen } = await mirror();
    expect(await ask(await open([`http://127.0.0.1:${port}`]), `GET http://127.0.0.1:${port}/x`)).toMatch(/^HTTP\/1\.1 200 /);
    const six = await ask(await open(['http://[0:0::1]:9']), 'GET http://[::1]:9/');
    expect(six).toMatch(/^HTTP\/1\.1 502 .*\[::1\] cannot be reached \((ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH|EAFNOSUPPORT)\)/s);
    expect(seen).toHaveLength(1);
  });

  it('that another one follows on its connection: each is looked at for itself', async () => {
    const { port, seen } = await mirror();
    const { socketPath } = await open([local(port)]);
    const lines = [`GET http://mirror.test:${port}/a`, 'GET http://evil.test/', `GET http://mirror.test:${port}/b`].map(
      (line, index) => `${line} HTTP/1.1\r\nHost: a\r\n${index === 2 ? 'Connection: close\r\n' : ''}\r\n`,
    );
    expect((await raw(socketPath, lines.join(''))).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 403', 'HTTP/1.1 200']);
    expect(seen.map(({ url }) => url).sort()).toEqual(['/a', '/b']);
  });

  it('leaves paths to the API, which never hears of it', async () => {
    const [web, service] = [await mirror(), await mirror((_, response) => response.end('{}'))];
    const proxied = await open([local(web.port)], { rootUrl: `http://127.0.0.1:${service.port}` });
    expect(await ask(proxied, 'GET /queue/v1/ping')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask(proxied, `GET http://mirror.test:${web.port}/queue/v1/ping`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(service.seen.map(({ url, headers }) => [url, /^Hawk /.test(headers.authorization ?? '')])).toEqual([
      ['/api/queue/v1/ping', true],
    ]);
    expect(web.seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([['/queue/v1/ping', undefined]]);
  });

  it('is broken off with the answer, and ends where the step hangs up', async () => {
    const broken = await mirror((request, response) => {
      response.write('half');
      request.socket.end();
    });
    expect(await ask(await open([local(broken.port)]), `GET http://mirror.test:${broken.port}/`)).not.toMatch(/\r\n0\r\n\r\n$/);
    const silent = await mirror(() => undefined);
    const proxied = await open([local(silent.port)]);
    const socket = connect(proxied.socketPath).on('error', () => undefined);
    socket.write(`GET http://mirror.test:${silent.port}/ HTTP/1.1\r\nHost: a\r\n\r\n`);
    await eventually('it is there', () => silent.seen.length === 1);
    socket.destroy();
    await eventually('it is over', () => silent.seen[0]!.closed && proxied.logged.length === 1);
    expect(proxied.logged[0]).toMatchObject({ status: 499 });
  });

  it('to nobody is told in words that name no address', async () => {
    const proxied = await open(['http://gone.test', local(1)]);
    expect(refusalIn(await ask(proxied, 'GET http://gone.test/'))).toEqual({
      ...{ code: 'ServiceUnavailable', message: 'gone.test cannot be reached (ENOTFOUND); try again soon' },
    });
    expect(await ask(proxied, 'GET http://mirror.test:1/')).toMatch(/^HTTP\/1\.1 502 .*ECONNREFUSED/s);
    expect(await ask(proxied, 'GET http://mirror.test:1/')).not.toMatch(/127\.0/);
  });
});

describe('what is refused', () => {
  const HOST = 'Host: a.test\r\n';
  const REFUSED: Record<string, string> = {
    'a host that is not listed': `GET http://evil.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a name that ends alike': `GET http://evilpypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a name that begins alike': `GET http://pypi.test.evil.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'what ends as the wildcard, without the dot': `GET http://evilwild.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'the name of the wildcard itself': `GET http://wild.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a wildcard in the request': `GET http://*.wild.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a dot alone before the name': `GET http://.wild.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'two dots at the end': `GET http://pypi.test../ HTTP/1.1\r\n${HOST}\r\n`,
    'another port': `GET http://pypi.test:8080/ HTTP/1.1\r\n${HOST}\r\n`,
    'a port that is none': `GET http://pypi.test:65616/ HTTP/1.1\r\n${HOST}\r\n`,
    'a port with zeros before it': `GET http://pypi.test:0080/ HTTP/1.1\r\n${HOST}\r\n`,
    'no port after the colon': `GET http://pypi.test:/ HTTP/1.1\r\n${HOST}\r\n`,
    'a host that is listed for https': `GET http://secure.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'https, untunnelled': `GET https://secure.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a user': `GET http://pypi.test@evil.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a user and password': `GET http://me:hunter2@pypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a backslash before the user': `GET http://pypi.test\\@evil.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a fragment before the user': `GET http://evil.test#@pypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a fragment': `GET http://pypi.test/#x HTTP/1.1\r\n${HOST}\r\n`,
    'a host that is percent-encoded': `GET http://%70ypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a host of letters that look alike': `GET http://p\xfepi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'no host': `GET http:///x HTTP/1.1\r\n${HOST}\r\n`,
    'one slash': `GET http:/pypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'three slashes': `GET http:///pypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'another scheme': `GET ftp://pypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a host in the path': `GET //pypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'a Host that is listed, and a target that is not': `GET http://evil.test/ HTTP/1.1\r\nHost: pypi.test\r\n\r\n`,
    'two Hosts': `GET http://pypi.test/ HTTP/1.1\r\nHost: pypi.test\r\nHost: evil.test\r\n\r\n`,
    'two Hosts, for a path': `GET /queue/v1/ping HTTP/1.1\r\nHost: pypi.test\r\nhost: evil.test\r\n\r\n`,
    'an address as one number': `GET http://2130706433/ HTTP/1.1\r\n${HOST}\r\n`,
    'an address in octal': `GET http://0177.0.0.1/ HTTP/1.1\r\n${HOST}\r\n`,
    'an address in hexadecimal': `GET http://0x7f.1/ HTTP/1.1\r\n${HOST}\r\n`,
    'a short address': `GET http://127.1/ HTTP/1.1\r\n${HOST}\r\n`,
    'an address with a dot behind it': `GET http://127.0.0.1./ HTTP/1.1\r\n${HOST}\r\n`,
    'this machine': `GET http://127.0.0.1/ HTTP/1.1\r\n${HOST}\r\n`,
    'this machine, unspecified': `GET http://0.0.0.0/ HTTP/1.1\r\n${HOST}\r\n`,
    'this machine, as IPv6': `GET http://[::ffff:127.0.0.1]/ HTTP/1.1\r\n${HOST}\r\n`,
    'an interface of this machine': `GET http://[fe80::1%25eth0]/ HTTP/1.1\r\n${HOST}\r\n`,
    metadata: `GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\n${HOST}\r\n`,
    'a line feed in a header': `GET http://pypi.test/ HTTP/1.1\r\n${HOST}X: a\nHost: evil.test\r\n\r\n`,
    'a carriage return in the target': `GET http://pypi.test/\rX:a HTTP/1.1\r\n${HOST}\r\n`,
    'a length and chunks': `POST http://pypi.test/ HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'two lengths': `POST http://pypi.test/ HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`,
    'chunks twice': `POST http://pypi.test/ HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    Upgrade: `GET http://pypi.test/ HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    TRACE: `TRACE http://pypi.test/ HTTP/1.1\r\n${HOST}\r\n`,
    'the service as if it were another': `GET http://tasks.wild.test/api/queue/v1/ping HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to the service': `CONNECT tasks.wild.test:80 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to a host that is not listed': `CONNECT evil.test:443 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to another port': `CONNECT secure.test:22 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to no port': `CONNECT secure.test HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to port 0': `CONNECT secure.test:0 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to what is reached by http': `CONNECT pypi.test:80 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel with a path': `CONNECT secure.test:443/ HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to a path': `CONNECT /queue/v1/ping HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to a URL': `CONNECT https://secure.test:443 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel with a user': `CONNECT me:hunter2@secure.test:443 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to the Host': `CONNECT evil.test:443 HTTP/1.1\r\nHost: secure.test:443\r\n\r\n`,
    'a tunnel to two Hosts': `CONNECT secure.test:443 HTTP/1.1\r\nHost: secure.test:443\r\nHost: evil.test\r\n\r\n`,
    'a tunnel to a name that begins alike': `CONNECT secure.test.evil.test:443 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to a number': `CONNECT 2130706433:443 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to this machine': `CONNECT 127.0.0.1:443 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel to this machine, as IPv6': `CONNECT [::ffff:7f00:1]:443 HTTP/1.1\r\n${HOST}\r\n`,
    'a tunnel with a length': `CONNECT secure.test:443 HTTP/1.1\r\n${HOST}Content-Length: 4\r\n\r\nabcd`,
    'a tunnel with chunks': `CONNECT secure.test:443 HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a tunnel with an upgrade': `CONNECT secure.test:443 HTTP/1.1\r\n${HOST}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n`,
  };

  it.each(Object.entries(REFUSED))('%s: in words, and nobody is asked for', async (_, bytes) => {
    const asked: string[] = [];
    const resolve = ((name: string, options: unknown, callback: () => void) => {
      asked.push(name);
      return dns({})(name, options as never, callback);
    }) as unknown as typeof lookup;
    const listed = ['http://pypi.test', 'https://secure.test', 'http://*.wild.test', 'https://*.wild.test', 'https://*.wild.test:80'];
    const { socketPath, logged } = await open(listed, { resolve, rootUrl: 'http://tasks.wild.test' });
    const text = await raw(socketPath, bytes, (sofar) => /\}\n$/.test(sofar));
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(refusalIn(text)).toEqual({
      code: expect.stringMatching(/^(InvalidRequestArguments|InsufficientScopes)$/),
      message: expect.stringMatching(/.{20}/),
    });
    expect(asked).toEqual([]);
    expect(`${text}${JSON.stringify(logged)}`).not.toMatch(/hunter2|Hawk/);
  });

  it('is told with the fix, and is in the log', async () => {
    const proxied = await open(['http://pypi.test', 'https://*.wild.test'], { rootUrl: 'http://tasks.test:8080' });
    const says = async (line: string) => refusalIn(await ask(proxied, line)).message;
    expect(await says('GET http://evil.test/x?signature=s3cret')).toMatch(
      / leads to paths as \/queue\/v1\/ping, and to http:\/\/pypi\.test, https:\/\/\*\.wild\.test$/,
    );
    expect(await says('CONNECT evil.test:443')).toMatch(/ and to http:\/\/pypi\.test, https:\/\/\*\.wild\.test$/);
    expect(await says('GET https://a.wild.test/')).toMatch(/send CONNECT a\.wild\.test:443/);
    expect(await says('CONNECT pypi.test:80')).toMatch(/send the request itself, as GET http:\/\/pypi\.test\/$/);
    expect(await says('GET http://tasks.test:8080/api/queue/v1/ping')).toMatch(/ask this proxy for the path alone, as \/queue\/v1\/ping/);
    expect(await says('CONNECT me:s3cret@evil.test:443')).toMatch(/no user and password/);
    expect(await says('GET http://me:s3cret@evil.test/x')).toMatch(/no user and password/);
    expect(proxied.logged.map(({ method, path: where, status }) => `${status} ${method} ${where}`)).toEqual([
      '403 GET http://evil.test/x',
      '403 CONNECT evil.test:443',
      '400 GET https://a.wild.test/',
      '400 CONNECT pypi.test:80',
      '400 GET http://tasks.test:8080/api/queue/v1/ping',
      '400 CONNECT -',
      '400 GET http://evil.test/x',
    ]);
  });

  it('is all of it where nothing is allowed', async () => {
    expect(outgoingRoute([], { rootUrl: 'http://tasks.test' })).toBeUndefined();
    const proxied = await open([]);
    expect(refusalIn(await ask(proxied, 'GET http://pypi.test/')).message).toMatch(/ask for a path as \/queue\/v1\/ping/);
    expect(refusalIn(await ask(proxied, 'CONNECT pypi.test:443')).message).toBe('This proxy makes no tunnels; send the request itself');
  });

  it('the service is reached as any other where it is listed by its name', async () => {
    const { port, seen } = await mirror();
    const proxied = await open([local(port)], { rootUrl: `http://mirror.test:${port}` });
    expect(await ask(proxied, `GET http://mirror.test:${port}/api/queue/v1/ping`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(seen[0]!.headers.authorization).toBeUndefined();
  });
});

describe('addresses that a name may have', () => {
  it.each([
    ['127.0.0.1'],
    ['127.9.9.9'],
    ['::1'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::7f00:1'],
    ['0.0.0.0'],
    ['::'],
    ['10.0.0.1'],
    ['172.16.0.1'],
    ['192.168.0.1'],
    ['100.64.0.1'],
    ['fd00::1'],
    ['169.254.169.254'],
    ['fe80::1'],
    ['224.0.0.1'],
    ['255.255.255.255'],
  ])('%s is not one of them, neither alone nor behind a public one', async (address) => {
    const proxied = await open(['http://a.test', 'https://a.test', 'http://b.test', 'https://b.test'], {
      resolve: dns({ 'a.test': [address], 'b.test': ['8.8.8.8', address] }),
    });
    for (const line of ['GET http://a.test/', 'CONNECT a.test:443', 'GET http://b.test/', 'CONNECT b.test:443']) {
      const text = await ask(proxied, line);
      expect([text.slice(0, 12), refusalIn(text).message]).toEqual([
        'HTTP/1.1 403',
        expect.stringMatching(/^The address of [ab]\.test is not of a kind/),
      ]);
      expect(text).not.toContain(address);
    }
  });

  it('are looked at each time one is dialled: a name that leads here the second time is refused then', async () => {
    const { port, seen } = await mirror();
    let times = 0;
    const resolve = dns({ 'mirror.test': () => [times++ === 0 ? '127.0.0.1' : '10.255.255.1'] });
    const proxied = await open([local(port), local(port, 'https')], { resolve });
    expect(await ask(proxied, `GET http://mirror.test:${port}/`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask(proxied, `GET http://mirror.test:${port}/`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await ask(proxied, `CONNECT mirror.test:${port}`)).toMatch(/^HTTP\/1\.1 403 /);
    expect([times, seen.length]).toEqual([3, 1]);
  });
});

describe('a tunnel', () => {
  /** Sends back what it gets, and an end for an end. */
  const echo = () => serving(createTcpServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)));

  it('is TLS from end to end: the step checks the certificate, and nothing is added', async () => {
    const { certificate, server, seen } = await secureMirror();
    const { port } = await serving(server);
    const proxied = await open([local(port, 'https')]);
    const { socket, head } = await tunnel(proxied, `mirror.test:${port}`);
    expect(head).toMatch(ESTABLISHED);
    socket.removeAllListeners('data');
    const secure = tls.connect({ socket, servername: 'mirror.test', ca: certificate });
    await once(secure, 'secureConnect');
    secure.write('GET /x HTTP/1.1\r\nHost: mirror.test\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const piece of secure) text += piece;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*from end to end$/s);
    expect(seen).toEqual([['Host', 'mirror.test', 'Connection', 'close']]);
    socket.destroy();
    await eventually('it is logged', () => proxied.logged.length === 1);
    expect(proxied.logged[0]).toEqual({
      ...{ method: 'CONNECT', path: `mirror.test:${port}`, status: 200, ms: expect.any(Number) },
      bytes: { sent: expect.any(Number), received: expect.any(Number) },
    });
    expect(proxied.logged[0]!.bytes!.received).toBeGreaterThan(text.length);
  });

  it('is what curl makes of a proxy, as it comes', async () => {
    const version = await promisify(execFile)('curl', ['--version']).catch(() => undefined);
    if (!version) return console.warn('curl is not there: not tried');
    const [{ certificateFile, server }, plain] = [await secureMirror(), await mirror()];
    const { port } = await serving(server);
    const { socketPath } = await open([local(port, 'https'), local(plain.port)]);
    const forwarder = await serving(
      createTcpServer(
        (socket) =>
          void socket
            .pipe(connect(socketPath))
            .on('error', () => socket.destroy())
            .pipe(socket),
      ),
    );
    const curl = async (...args: string[]) => {
      const all = ['-sS', '-m', '20', '-x', `http://127.0.0.1:${forwarder.port}`, '--cacert', certificateFile, ...args];
      return promisify(execFile)('curl', all, { env: { PATH: process.env.PATH } }).catch((error: { stderr: string }) => error);
    };
    expect(await curl(`https://mirror.test:${port}/x`)).toMatchObject({ stdout: 'from end to end' });
    expect(await curl(`http://mirror.test:${plain.port}/x`)).toMatchObject({ stdout: 'here' });
    expect((await curl('https://evil.test/')).stderr).toMatch(/403/);
    expect(await curl('-o', '/dev/null', '-w', '%{http_code}', 'http://evil.test/')).toMatchObject({ stdout: '403' });
    const upload = path.join(path.dirname(certificateFile), 'certificate.pem');
    expect(await curl('--data-binary', `@${upload}`, '-H', 'Expect: 100-continue', `http://mirror.test:${plain.port}/up`)).toMatchObject({
      stdout: 'here',
    });
    expect(plain.seen.at(-1)).toMatchObject({ method: 'POST', body: readFileSync(upload, 'latin1') });
  });

  it('passes on what was sent before it was there, and never reads a request again', async () => {
    const { port } = await echo();
    const proxied = await open([local(port, 'https')]);
    const early = 'GET /queue/v1/ping HTTP/1.1\r\nHost: a\r\n\r\n';
    const { socket, head, said } = await tunnel(proxied, `mirror.test:${port}`, early);
    expect(head).toMatch(ESTABLISHED);
    socket.write(early);
    await eventually('both are back', () => said() === early + early);
    socket.end();
    await once(socket, 'close');
    await eventually('it is logged', () => proxied.logged.length === 1);
    expect(proxied.logged.map(({ status, bytes }) => [status, bytes])).toEqual([
      [200, { sent: early.length * 2, received: early.length * 2 }],
    ]);
  });

  it('ends in one direction at a time', async () => {
    const last = await serving(
      createTcpServer({ allowHalfOpen: true }, (socket) => {
        let text = '';
        socket.on('data', (piece) => (text += piece)).on('end', () => socket.end(`all of ${text}`)); // only when there is no more
      }),
    );
    const first = await serving(createTcpServer({ allowHalfOpen: true }, (socket) => void socket.end('that was all')));
    const proxied = await open([local(last.port, 'https'), local(first.port, 'https')]);
    const asked = await tunnel(proxied, `mirror.test:${last.port}`);
    asked.socket.end('a question');
    await once(asked.socket, 'close');
    expect(asked.said()).toBe('all of a question');
    const told = await tunnel(proxied, `mirror.test:${first.port}`);
    await eventually('it has said all', () => told.socket.readableEnded);
    expect([told.said(), told.socket.writable]).toEqual(['that was all', true]);
    let heard = '';
    for (const socket of first.sockets) socket.on('data', (piece) => (heard += piece));
    told.socket.end('and this is the answer');
    await eventually('it is heard', () => heard === 'and this is the answer');
    await eventually('both are over', () => proxied.logged.length === 2);
  });

  it('an end that the server makes loses nothing of what came before it, for a step that reads late', async () => {
    for (let size = 128 * 1024; size <= 512 * 1024; size += 32 * 1024) {
      const { port, sockets } = await serving(
        createTcpServer({ allowHalfOpen: true }, (socket) => void socket.resume().on('end', () => socket.end(Buffer.alloc(size, 'x')))),
      );
      const { socket, said } = await tunnel(await open([local(port, 'https')]), `mirror.test:${port}`);
      socket.pause().end();
      let polls = 0;
      await eventually('the server has said all, or is held up', () => sockets.size === 0 || ++polls > 5); // some sizes wait in our memory alone
      socket.resume();
      await once(socket, 'close');
      expect(said().length).toBe(size);
    }
  });

  it('is broken off with either end', async () => {
    const { port, sockets } = await echo();
    const proxied = await open([local(port, 'https')]);
    const [one, other] = [await tunnel(proxied, `mirror.test:${port}`), await tunnel(proxied, `mirror.test:${port}`)];
    one.socket.destroy();
    await eventually('the server is hung up on', () => sockets.size === 1);
    for (const socket of sockets) socket.resetAndDestroy();
    await eventually('the step is hung up on', () => other.socket.readableEnded || other.socket.closed);
    await eventually('both are logged', () => proxied.logged.length === 2);
  });

  it.each(['the step', 'the server'])('holds no more than a little of what %s does not read', async (who) => {
    const accepted: Socket[] = [];
    const { port } = await serving(createTcpServer((socket) => void accepted.push(socket.pause())));
    const proxied = await open([local(port, 'https')]);
    const { socket } = await tunnel(proxied, `mirror.test:${port}`);
    await eventually('it is there', () => accepted.length === 1);
    const [sender, reader] = who === 'the step' ? [accepted[0]!, socket] : [socket, accepted[0]!];
    reader.removeAllListeners('data').pause();
    const piece = Buffer.alloc(64 * 1024);
    let written = 0;
    const more = () => {
      while (written < 512 * 1024 * 1024) {
        written += piece.length;
        if (!sender.write(piece)) return void sender.once('drain', more);
      }
    };
    more();
    let [before, same] = [-1, 0];
    await eventually('the sender is held up', () => {
      same = written === before ? same + 1 : 0;
      before = written;
      return same > 10;
    });
    expect(written).toBeLessThan(64 * 1024 * 1024);
    let arrived = 0;
    const held = written;
    reader.on('data', (some: Buffer) => (arrived += some.length)).resume();
    await eventually('it goes on, with nothing lost', () => arrived > held);
    socket.destroy();
  });

  it('is one of so many, lasts while something moves, and has to be there in time', async () => {
    const { port, sockets } = await echo();
    const proxied = await open([local(port, 'https')], { most: { tunnels: 2, tunnelIdleMs: 300 } });
    const held = [await tunnel(proxied, `mirror.test:${port}`), await tunnel(proxied, `mirror.test:${port}`)];
    const refused = await ask(proxied, `CONNECT mirror.test:${port}`);
    expect([refused.slice(0, 12), refusalIn(refused).message]).toEqual([
      'HTTP/1.1 503',
      expect.stringMatching(/^2 tunnels are open; close some/),
    ]);
    await eventually(
      'nothing moved for too long',
      () => held.every(({ socket }) => socket.readableEnded || socket.closed) && sockets.size === 0,
    );
    expect((await tunnel(proxied, `mirror.test:${port}`)).head).toMatch(ESTABLISHED);
    const never = (() => undefined) as unknown as typeof lookup;
    const slow = await open(['https://slow.test'], { resolve: never, most: { dialMs: 100 } });
    expect(await ask(slow, 'CONNECT slow.test:443')).toMatch(/^HTTP\/1\.1 504 .*no connection within 100 ms/s);
    const waiting = connect(slow.socketPath).on('error', () => undefined);
    waiting.write('CONNECT slow.test:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    waiting.resume().end();
    await eventually('it is over', () => slow.logged.length === 2);
  });

  it('to nobody is refused in words that name no address', async () => {
    const proxied = await open([local(1, 'https'), 'https://gone.test']);
    expect(await ask(proxied, 'CONNECT mirror.test:1')).toMatch(/^HTTP\/1\.1 502 .*mirror\.test cannot be reached \(ECONNREFUSED\)/s);
    expect(await ask(proxied, 'CONNECT gone.test:443')).toMatch(/^HTTP\/1\.1 502 .*gone\.test cannot be reached \(ENOTFOUND\)/s);
  });

  it('does not begin where an answer is still to come', async () => {
    const silent = await mirror(() => undefined);
    const { port, sockets } = await echo();
    const { socketPath } = await open([local(silent.port), local(port, 'https')]);
    const text = await raw(
      socketPath,
      `GET http://mirror.test:${silent.port}/ HTTP/1.1\r\nHost: a\r\n\r\nCONNECT mirror.test:${port} HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    expect([text, sockets.size]).toEqual(['', 0]);
  });

  it('ends with the run: once the proxy is closed, none is open at either end, and all are logged', async () => {
    const { port, sockets } = await echo();
    const never = ((name: string, options: never, callback: never) =>
      name === 'slow.test' ? undefined : dns({ 'mirror.test': ['127.0.0.1'] })(name, options, callback)) as unknown as typeof lookup;
    const proxied = await open([local(port, 'https'), 'https://slow.test'], { resolve: never });
    const held = [await tunnel(proxied, `mirror.test:${port}`), await tunnel(proxied, `mirror.test:${port}`)];
    const dialling = connect(proxied.socketPath).on('error', () => undefined);
    dialling.write('CONNECT slow.test:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    held[0]!.socket.write('half of a');
    await eventually('something moves', () => held[0]!.said() === 'half of a' && dialling.bytesWritten > 0);
    await proxied.proxy.close();
    expect(proxied.logged.filter(({ status }) => status === 200)).toHaveLength(2);
    await eventually('all are closed', () => sockets.size === 0 && held.every(({ socket }) => socket.readableEnded || socket.closed));
    await expect(once(connect(proxied.socketPath), 'connect')).rejects.toThrow('ENOENT');
  });
});

/** A web server of https for mirror.test, with a certificate that is its own authority. */
async function secureMirror() {
  const directory = privateDirectory('outgoing-tls');
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  const [key, certificateFile] = [path.join(directory, 'key.pem'), path.join(directory, 'certificate.pem')];
  const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=DNS:mirror.test', '-days', '2'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', certificateFile], { stdio: 'pipe' });
  const certificate = readFileSync(certificateFile);
  const seen: string[][] = [];
  const server = https.createServer({ key: readFileSync(key), cert: certificate }, (request, response) => {
    seen.push(request.rawHeaders);
    response.end('from end to end');
  });
  return { certificate, certificateFile, server, seen };
}

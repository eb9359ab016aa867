import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import taskcluster from 'taskcluster-client';
import type { Credentials } from '../src/credentials/ext.js';
import { ApiRoute, type ApiRouteOptions } from '../src/worker/proxy/api-route.js';
import { type CredentialProxy, type CredentialProxyOptions, openCredentialProxy } from '../src/worker/proxy/credential-proxy.js';
import { stepScopes } from '../src/worker/runs/run-proxy.js';
import { forward } from '../src/worker/sandbox/port/forward.js';
import { eventually } from './support/service-process.js';
import { ok, Tasks, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import { describeSandboxed, privateDirectory, unprivileged } from './support/unprivileged.js';

type Logged = Parameters<CredentialProxyOptions['log']>[0];
type Options = ApiRouteOptions & Omit<CredentialProxyOptions, 'routes'>;

const openApiProxy = async ({ socketPath, most, log, ...api }: Options) =>
  openCredentialProxy({ socketPath, routes: [new ApiRoute(api)], log, ...(most && { most }) });

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const at = (name: string) => encodeURIComponent(name);
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const reference = () => ({ storageType: 'reference', url: 'https://example.com/x', contentType: 'text/plain', expires: inAnHour() });

interface Proxied {
  socketPath: string;
  proxy: CredentialProxy;
  logged: Logged[];
}

async function open(options: Partial<Options> & { credentials: () => Credentials }): Promise<Proxied> {
  const directory = privateDirectory('proxy');
  const [socketPath, logged] = [path.join(directory, 'api'), [] as Logged[]];
  const proxy = await openApiProxy({ socketPath, rootUrl: test.root.url, log: (call) => logged.push(call), ...options });
  cleanUps.push(async () => {
    await proxy.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { socketPath, proxy, logged };
}

interface Run extends Proxied {
  taskId: string;
  /** As the queue lent them last. */
  held: Required<Credentials>;
  hold(credentials: Required<Credentials>): void;
}

/** A claimed run, with its proxy. */
async function running(scopes: string[] = [], options: Partial<Options> | ((taskId: string) => Partial<Options>) = {}): Promise<Run> {
  const taskId = await tasks.create({ scopes: ['auth:current-scopes', ...scopes] });
  let { credentials } = await ok(tasks.claimTask(taskId));
  const proxied = await open({ credentials: () => credentials, ...(typeof options === 'function' ? options(taskId) : options) });
  return {
    ...proxied,
    taskId,
    get held() {
      return credentials;
    },
    hold: (next) => {
      credentials = next;
    },
  };
}

interface Told {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
  body: any;
}

/** Calls as a step does. */
async function call(
  { socketPath }: { socketPath: string },
  target: string,
  options: RequestOptions & { json?: unknown; bytes?: Buffer | string } = {},
) {
  const { json, bytes = json === undefined ? undefined : JSON.stringify(json), ...more } = options;
  const type = json === undefined ? {} : { 'content-type': 'application/json' };
  const length = bytes === undefined ? {} : { 'content-length': Buffer.byteLength(bytes) };
  const request = httpRequest({
    socketPath,
    path: target,
    agent: false,
    ...more,
    headers: { ...type, ...length, ...more.headers } as never,
  });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  request.on('error', () => undefined).end(bytes);
  return read((await answered)[0]);
}

async function read(response: IncomingMessage): Promise<Told> {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  const isJson = response.headers['content-type']?.startsWith('application/json') && text !== '';
  return { status: response.statusCode ?? 0, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
}

/** What comes back for these bytes, until the proxy hangs up or, if it does not, once it holds that. */
async function raw(socketPath: string, bytes: string | Buffer, enough = (_: string): boolean => false): Promise<string> {
  const socket = connect(socketPath);
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => (text += piece));
  socket.on('error', () => undefined);
  const closed = { is: false };
  socket.once('close', () => (closed.is = true));
  socket.write(bytes);
  await eventually(`an end of the answer, which is ${text}`, () => closed.is || enough(text));
  socket.destroy();
  return text;
}

/** A service that notes what it gets, and answers as it is told. */
async function upstream(answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end('{}')) {
  const seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string; complete: boolean; closed: boolean }[] = [];
  const server: Server = createServer((request, response) => {
    const one = { method: request.method!, url: request.url!, headers: request.headers, body: '', complete: false, closed: false };
    seen.push(one);
    request.on('data', (piece: Buffer) => {
      if (one.body.length < 1_000) one.body += piece.toString('latin1');
    });
    request.on('end', () => (one.complete = true));
    response.on('close', () => (one.closed = true));
    answer(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const rootUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async () => {
    if (!server.listening) return;
    server.closeAllConnections();
    await once(server.close(), 'close');
  };
  cleanUps.push(close);
  return { rootUrl, seen, close, credentials: () => ({ clientId: 'somebody', accessToken: SECRET }) };
}

const SECRET = 'the-key-of-nobody-in-particular-000000000000';

/** Sends a request's head, and perhaps a part of its body, and leaves it there. */
function begin(socketPath: string, head: string): Socket {
  const socket = connect(socketPath);
  cleanUps.push(() => socket.destroy());
  socket.on('error', () => undefined).resume();
  socket.write(head);
  return socket;
}

describe('a step, through the proxy', () => {
  it('81: calls what its scopes allow, and is refused by the service beyond', async () => {
    const run = await running(['queue:route:some.*', 'auth:list-clients']);
    const scopes = await call(run, '/auth/v1/scopes/current');
    expect(scopes.status).toBe(200);
    expect(scopes.body.scopes).toEqual(expect.arrayContaining(['auth:list-clients', `queue:create-artifact:${run.taskId}/0`]));
    expect((await call(run, '/api/auth/v1/clients/')).status).toBe(200);
    const created = await call(run, `/queue/v1/task/${run.taskId}/runs/0/artifacts/${at('public/a b/c.txt')}`, {
      method: 'POST',
      json: reference(),
    });
    expect([created.status, created.body]).toEqual([200, { storageType: 'reference' }]);
    const other = await tasks.create();
    const refused = await call(run, `/queue/v1/task/${other}/cancel`, { method: 'POST' });
    expect([refused.status, refused.body.code]).toEqual([403, 'InsufficientScopes']);
    expect(refused.body.message).toContain('queue:cancel-task:');
    const missing = await call(run, '/queue/v1/no-such-operation');
    expect([missing.status, missing.body]).toEqual([404, { error: 'Not found' }]);
  });

  it('81: uploads and downloads an artifact: redirects are passed on, and lead through the proxy again', async () => {
    const run = await running(['queue:get-artifact:private/*']);
    const name = `/queue/v1/task/${run.taskId}/runs/0/artifacts/private%2Fx.bin`;
    const { body } = await call(run, name, { method: 'POST', json: { storageType: 's3', contentType: 'text/plain', expires: inAnHour() } });
    const bytes = Buffer.alloc(5_000_000, 'leasehold ');
    const put = new URL(body.putUrl);
    expect((await call(run, put.pathname + put.search, { method: 'PUT', bytes })).status).toBe(200);
    const redirect = await call(run, name);
    expect([redirect.status, redirect.headers.location]).toEqual([303, expect.stringContaining('/api/artifacts/v1/blobs/')]);
    const got = new URL(redirect.headers.location!);
    const download = await call(run, got.pathname + got.search);
    expect([download.status, download.text === bytes.toString()]).toEqual([200, true]);
    expect((await call(run, got.pathname + got.search, { headers: { range: 'bytes=0-8' } })).text).toBe('leasehold');
    expect(run.logged.map(({ method, path: logged, status }) => `${status} ${method} ${logged}`)).toContain(`200 PUT ${put.pathname}`);
    expect(JSON.stringify(run.logged)).not.toMatch(/signature=|\?/);
  });

  it('60: gets no credentials: neither by reclaiming, nor as a token, nor in any answer', async () => {
    const run = await running(['queue:*', 'auth:*']);
    const self = `/queue/v1/task/${run.taskId}/runs/0`;
    const told: Told[] = [];
    for (const verb of ['reclaim', 'completed', 'failed', 'exception', 'signature', 'claim', 'comple%74ed'])
      told.push(await call(run, `${self}/${verb}`, { method: 'POST', json: { reason: 'intermittent-task' } }));
    told.push(await call(run, '/queue/v1/claim-work/p%2Fw', { method: 'POST', json: { workerGroup: 'a', workerId: 'b', tasks: 1 } }));
    expect(told.map(({ status, body }) => [status, body.code])).toEqual(told.map(() => [403, 'InsufficientScopes']));
    for (const target of ['/oauth/token', '/api/oauth/token', '/queue/v1/../../oauth/token', '/credentials', '/.well-known/x'])
      told.push(await call(run, target, { method: 'PUT', json: run.held }));
    for (const method of ['TRACE', 'OPTIONS', 'PATCH', 'PROPFIND']) told.push(await call(run, '/queue/v1/ping', { method }));
    expect(told.slice(8).map(({ status }) => Math.floor(status / 100))).toEqual(told.slice(8).map(() => 4));
    told.push(
      await call(run, '/auth/v1/scopes/current'),
      await call(run, '/auth/v1/test-authenticate-get'),
      await call(run, '/queue/v1/ping'),
    );
    for (const { text, headers } of told) expect(`${text}${JSON.stringify(headers)}`).not.toContain(run.held.accessToken);
    for (const { text, headers } of told)
      expect(`${text}${JSON.stringify(headers)}`).not.toMatch(/hawk id=|mac=|www-authenticate|accessToken/i);
    expect(await tasks.state(run.taskId)).toBe('running');
  });

  it('60: has no way to ask for the credentials, unless its task may have them; and none to set them', async () => {
    const [run, other] = [await running(), await running()];
    for (const method of ['PUT', 'POST', 'DELETE', 'HEAD'])
      expect((await call(run, '/credentials', { method, ...(method === 'PUT' && { json: other.held }) })).status).toBe(405);
    const { status, body } = await call(run, '/credentials');
    expect([status, body.code]).toEqual([404, 'ResourceNotFound']);
    for (const target of ['/credentials/', '/credentials?x', '/api/credentials', '/Credentials'])
      expect((await call(run, target)).status).toBe(400);
    expect((await call(run, '/auth/v1/scopes/current')).body.scopes).toContain(`queue:create-artifact:${run.taskId}/0`);
  });

  it('is told the credentials where its task may have them: those of now, kept by nobody on the way', async () => {
    let times = 0;
    const run = await running([], { onTold: () => times++ });
    const told = await call(run, '/credentials');
    expect([told.status, told.body, told.headers['cache-control'], times]).toEqual([200, run.held, 'no-store', 1]);
    expect((await call(run, '/credentials', { method: 'PUT', json: run.held })).status).toBe(405);
    const next = await ok(test.root.as(run.held).post(`/queue/v1/task/${run.taskId}/runs/0/reclaim`));
    run.hold(next.credentials);
    expect((await call(run, '/credentials')).body).toEqual(next.credentials);
    expect(JSON.stringify(run.logged)).not.toContain(run.held.accessToken);
  });

  it('tells of each call what taskcluster-proxy tells, which is no secret', async () => {
    const scopes = ['auth:current-scopes', 'a:{b},c'];
    const run = await running(scopes, { scopes });
    const { headers } = await call(run, '/queue/v1/ping?a=b');
    expect(headers).toMatchObject({
      'x-taskcluster-endpoint': `${test.root.url}/api/queue/v1/ping?a=b`,
      'x-taskcluster-proxy-temp-clientid': run.held.clientId,
      'x-taskcluster-authorized-scopes': JSON.stringify(scopes),
    });
  });

  it('uses the npm client as it comes, without credentials, at the proxy’s own URL', async () => {
    const run = await running(['queue:status:*', 'queue:list-artifacts:*']);
    const forwarding = { addresses: [{ host: '127.0.0.1', port: 0 }], socketPath: run.socketPath, connections: 8 };
    const [server] = await forward(forwarding);
    cleanUps.push(() => server!.close());
    const rootUrl = `http://127.0.0.1:${(server!.address() as AddressInfo).port}`;
    const [queue, auth] = [new taskcluster.Queue({ rootUrl }), new taskcluster.Auth({ rootUrl })];
    expect(await queue.ping()).toMatchObject({ alive: true });
    expect((await queue.status(run.taskId)).status.state).toBe('running');
    expect((await auth.currentScopes()).scopes).toContain(`queue:create-artifact:${run.taskId}/0`);
    await queue.createArtifact(run.taskId, '0', 'public/by-client', reference());
    expect((await queue.listArtifacts(run.taskId, '0')).artifacts).toMatchObject([{ name: 'public/by-client' }]);
    await expect(queue.reportCompleted(run.taskId, '0')).rejects.toMatchObject({ statusCode: 403 });
    await expect(queue.cancelTask(await tasks.create())).rejects.toMatchObject({ statusCode: 403 });
    const signing = new taskcluster.Queue({ rootUrl, credentials: { clientId: 'nobody', accessToken: 'forged' } });
    expect((await signing.status(run.taskId)).status.state).toBe('running');
  });

  it.each([
    [[]],
    [['assume:worker-id:group/worker']], // which the queue reads as to be the run
    [['assume:worker-id:*', 'queue:worker-id:group/*']],
  ])('cannot give away what the run itself may do, if its task has %j', async (more: string[]) => {
    const scopes = ['auth:current-scopes', 'auth:create-client:evil/*', ...more];
    const run = await running(scopes, (taskId) => ({ scopes: stepScopes({ taskId, runId: 0, ...WORKER }, scopes) }));
    const give = (scope: string) => {
      const json = { description: '', expires: inAnHour(), scopes: [scope] };
      return call(run, `/auth/v1/clients/evil%2F${run.taskId}`, { method: 'PUT', json });
    };
    for (const scope of [`queue:resolve-task:${run.taskId}/0`, `queue:reclaim-task:${run.taskId}/0`, `assume:task-run:${run.taskId}/0`])
      expect((await give(scope)).status).toBe(403);
    expect((await give('auth:current-scopes')).status).toBe(200);
    const url = `${test.root.url}/api/auth/v1/scopes/current`;
    const { headers } = await call(run, '/bewit', { method: 'POST', bytes: url });
    expect(await (await fetch(headers.location!)).text()).not.toMatch(/resolve-task|reclaim-task/);
  });

  it('says so where the scopes of the task do not fit into a call', async () => {
    const scopes = Array.from({ length: 100 }, (_, index) => `test:${index}:${'x'.repeat(30)}`);
    const { status, body } = await call(await running(scopes, { scopes }), '/queue/v1/ping');
    expect([status, body.message]).toEqual([403, expect.stringMatching(/scopes of the task are too long/)]);
  });

  it.each([10, 25])('signs no URL that the service would not read, for its scopes are too long (%d of them)', async (count) => {
    const scopes = Array.from({ length: count }, (_, index) => `test:${index}:${'x'.repeat(30)}`);
    const run = await running(scopes, { scopes });
    expect((await call(run, '/queue/v1/ping')).status).toBe(200);
    const url = `${test.root.url}/api/queue/v1/ping`;
    const { status, headers, body } = await call(run, '/bewit', { method: 'POST', bytes: url });
    if (count === 10) expect((await fetch(headers.location!)).status).toBe(200);
    else expect([status, body.message]).toEqual([403, expect.stringMatching(/scopes of the task are too long/)]);
  });

  it('cannot leave what the worker leaves', async () => {
    const run = await running([], { reserved: (name) => name === 'public/receipt.json' });
    const leave = (name: string) =>
      call(run, `/queue/v1/task/${run.taskId}/runs/0/artifacts/${name}`, { method: 'POST', json: reference() });
    expect((await leave('public%2Freceipt.json')).body.message).toMatch(/^This artifact is the worker's business/);
    expect((await leave('public/receipt.json')).status).toBe(403);
    expect((await leave('public%2Fother.json')).status).toBe(200);
    const read = await call(run, `/queue/v1/task/${run.taskId}/runs/0/artifacts/public%2Freceipt.json`);
    expect(read.body.message).not.toMatch(/worker's business/); // whether it may read it the service decides
  });

  it('60: whatever it says of itself is not heard', async () => {
    const run = await running();
    const { headers: signed } = await call(run, '/queue/v1/ping');
    expect(signed['set-cookie']).toBeUndefined();
    const lies = {
      authorization: 'Hawk id="static/root", ts="1", nonce="a", mac="b"',
      cookie: 'session=root',
      dpop: 'proof',
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-port': '1',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example',
      connection: 'close, authorization',
    };
    const { status, body } = await call(run, '/auth/v1/scopes/current', { headers: lies });
    expect([status, body.scopes.includes(`queue:create-artifact:${run.taskId}/0`)]).toEqual([200, true]);
    const bewit = await call(run, '/auth/v1/scopes/current?bewit=abc');
    expect([bewit.status, bewit.body.code]).toEqual([400, 'InvalidRequestArguments']);
  });

  it('goes on after a reclaim without noticing, and is nobody once the run is over', async () => {
    const run = await running();
    const before = run.held;
    expect((await call(run, '/auth/v1/scopes/current')).status).toBe(200);
    const { credentials } = await ok(test.root.as(before).post(`/queue/v1/task/${run.taskId}/runs/0/reclaim`));
    run.hold(credentials);
    await test.database.pool.query("update task set taken_until = taken_until + interval '1 minute' where task_id = $1", [run.taskId]);
    const { body } = await call(run, '/auth/v1/test-authenticate-get');
    expect(JSON.stringify(body ?? '')).not.toContain(before.clientId);
    expect(
      (await call(run, `/queue/v1/task/${run.taskId}/runs/0/artifacts/public%2Fa`, { method: 'POST', json: reference() })).status,
    ).toBe(200);
    run.hold({ ...credentials, accessToken: before.accessToken });
    expect((await call(run, '/auth/v1/scopes/current')).status).toBe(401); // it was the new one that was used
    run.hold(credentials);
    await ok(test.root.as(credentials).post(`/queue/v1/task/${run.taskId}/runs/0/completed`));
    const over = await call(run, '/auth/v1/scopes/current');
    expect([over.status, over.body.code, over.headers['www-authenticate']]).toEqual([401, 'AuthenticationFailed', undefined]);
  });

  it('is told so when the worker has no credentials at the moment, and the worker goes on', async () => {
    const { socketPath } = await open({
      credentials: () => {
        throw new Error(`no ${SECRET}`);
      },
    });
    const { status, text } = await call({ socketPath }, '/queue/v1/ping');
    expect([status, text]).toEqual([500, expect.not.stringContaining(SECRET)]);
  });

  it('has URLs signed, of this service alone', async () => {
    const run = await running(['queue:get-artifact:private/*']);
    const target = `/api/queue/v1/task/${run.taskId}/runs/0/artifacts/private%2Fx`;
    await call(run, target, { method: 'POST', json: reference() });
    expect((await test.root.as().get(target)).status).toBe(403);
    const { status, headers, text } = await call(run, '/bewit', { method: 'POST', bytes: `${test.root.url}${target}\n` });
    expect([status, headers.location, text]).toEqual([303, expect.stringContaining('?bewit='), `${headers.location}\n`]);
    expect((await fetch(headers.location!, { redirect: 'manual' })).status).toBe(303);
    expect(headers.location).not.toContain(run.held.accessToken);
    for (const url of [
      'https://example.com/',
      `${test.root.url}/oauth/token`,
      `${test.root.url}${target.replace('private%2Fx', '..')}`,
      '',
      'x'.repeat(9_999),
    ])
      expect((await call(run, '/bewit', { method: 'POST', bytes: url })).status).toBe(400);
    expect((await call(run, '/bewit')).status).toBe(400);
    expect(JSON.stringify(run.logged)).not.toContain('bewit=');
  });

  it('81: uses curl, if that is there', async () => {
    const run = await running();
    const curl = (...args: string[]) => promisify(execFile)('curl', ['-sS', '--unix-socket', run.socketPath, ...args]);
    const version = await promisify(execFile)('curl', ['--version']).catch(() => undefined);
    if (!version) return console.warn('curl is not there: not tried');
    expect(JSON.parse((await curl('http://proxy/api/queue/v1/ping')).stdout)).toMatchObject({ alive: true });
    const big = path.join(path.dirname(run.socketPath), 'big');
    writeFileSync(big, JSON.stringify({ x: 'x'.repeat(2_000_000) }));
    const { stdout } = await curl(
      '-w',
      '%{http_code}',
      '-o',
      '/dev/null',
      '--data-binary',
      `@${big}`,
      '-H',
      'content-type: application/json',
      'http://proxy/queue/v1/tasks/create',
    );
    expect(stdout).toBe('400'); // by the service: it waited for 100 Continue, and the body came
  });
});

describe('requests that two programs may read in two ways', () => {
  const HOST = 'Host: proxy\r\n';
  const REFUSED: Record<string, string> = {
    'a length and chunks': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n`,
    'chunks and a length': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
    'two lengths': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`,
    'a list of lengths': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Content-Length: 4, 4\r\n\r\nabcd`,
    'a signed length': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Content-Length: +4\r\n\r\nabcd`,
    'a coding that is not chunked': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    'a space before the colon': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Content-Length : 4\r\n\r\nabcd`,
    'a bare line feed': `GET /queue/v1/x HTTP/1.1\n${HOST.replace('\r', '')}\n`,
    'a bare carriage return': `GET /queue/v1/x HTTP/1.1\r\n${HOST}Accept: a\rX: b\r\n\r\n`,
    'a chunk size that is none': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n`,
    'a chunk that is longer than it says': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`,
    'a chunk of more bytes than there are': `POST /queue/v1/x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n`,
    'a NUL in a header': `GET /queue/v1/x HTTP/1.1\r\n${HOST}Accept: a\0b\r\n\r\n`,
    'an absolute form': `GET http://evil.example/api/queue/v1/ping HTTP/1.1\r\n${HOST}\r\n`,
    'a host with a name and password': `GET http://a:b@evil.example/queue/v1/ping HTTP/1.1\r\n${HOST}\r\n`,
    'an asterisk': `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
    CONNECT: `CONNECT evil.example:443 HTTP/1.1\r\n${HOST}\r\n`,
    'CONNECT to the service': `CONNECT 127.0.0.1:80 HTTP/1.1\r\n${HOST}\r\nGET /oauth/token HTTP/1.1\r\n\r\n`,
    Upgrade: `GET /queue/v1/ping HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a body of a GET': `GET /queue/v1/ping HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nGET /`,
    'chunks of a DELETE': `DELETE /queue/v1/ping HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1a\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n`,
    'another expectation': `POST /queue/v1/ping HTTP/1.1\r\n${HOST}Expect: the-unexpected\r\nContent-Length: 1\r\n\r\na`,
    'two slashes': `GET //evil.example/queue/v1/ping HTTP/1.1\r\n${HOST}\r\n`,
    'a way up': `GET /queue/v1/../../oauth/token HTTP/1.1\r\n${HOST}\r\n`,
    'no HTTP': `hello\r\n\r\n`,
    TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'headers without end': `GET /queue/v1/ping HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}`,
  };

  it.each(Object.entries(REFUSED))('%s: is refused in words, and nothing arrives', async (_, bytes) => {
    const service = await upstream();
    const { socketPath } = await open(service);
    const text = await raw(socketPath, Buffer.from(bytes, 'latin1'), (sofar) => /\}\n$/.test(sofar));
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
    const { code, message } = JSON.parse(/\r\n\r\n(\{.*\})\n$/s.exec(text)![1]!);
    expect([code, message]).toEqual([expect.stringMatching(/^(InvalidRequestArguments|InputTooLarge)$/), expect.stringMatching(/.{20}/)]);
    await eventually('whatever arrived is over', () => service.seen.every(({ closed }) => closed));
    expect(service.seen.filter(({ complete }) => complete)).toEqual([]);
    expect(service.seen.filter(({ url }) => !url.startsWith('/api/queue/v1/x'))).toEqual([]);
  });

  it('a folded header is refused, or is one value; it never becomes two', async () => {
    const service = await upstream();
    const { socketPath } = await open(service);
    const bytes = `GET /queue/v1/x HTTP/1.1\r\n${HOST}Accept: a\r\n X-Forwarded-Host: evil\r\nAuthorization: b\r\n c\r\nConnection: close\r\n\r\n`;
    await raw(socketPath, bytes);
    for (const { headers } of service.seen) {
      expect(Object.keys(headers).sort()).toEqual(['accept', 'authorization', 'connection', 'host']);
      expect(headers.authorization).toMatch(/^Hawk id="somebody"/);
    }
  });

  it('what follows a request on its connection is a request of its own, mapped and signed as the first', async () => {
    const service = await upstream();
    const { socketPath } = await open(service);
    const text = await raw(
      socketPath,
      `POST /queue/v1/a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabcGET /queue/v1/b HTTP/1.1\r\n${HOST}\r\nGET /oauth/token HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    );
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400']);
    expect(service.seen.map(({ url, body }) => url + body).sort()).toEqual(['/api/queue/v1/aabc', '/api/queue/v1/b']);
    for (const { headers } of service.seen) expect(headers.authorization).toMatch(/^Hawk id="somebody"/);
  });

  it('no header but those that the API reads arrives, and what the service sends is no more than it may be', async () => {
    const service = await upstream((_, response) =>
      response
        .writeHead(401, {
          'set-cookie': 'a=b',
          'www-authenticate': 'Hawk error="x"',
          'x-hop': '1',
          connection: 'X-Hop, close',
          etag: '"e"',
        })
        .end('{}'),
    );
    const { socketPath } = await open(service);
    const { status, headers } = await call({ socketPath }, '/queue/v1/x', {
      headers: { 'x-original-url': '/oauth', accept: 'a/b', te: 'trailers' },
    });
    expect(status).toBe(401);
    const own = ['x-taskcluster-endpoint', 'x-taskcluster-proxy-temp-clientid'];
    expect(Object.keys(headers).sort()).toEqual(['connection', 'date', 'etag', 'transfer-encoding', ...own]);
    expect(service.seen[0]!.headers).toEqual({
      accept: 'a/b',
      authorization: expect.any(String),
      connection: 'close',
      host: new URL(service.rootUrl).host,
    });
  });

  it('HTTP/1.0, without a Host, is served', async () => {
    const service = await upstream();
    const { socketPath } = await open(service);
    expect(await raw(socketPath, 'GET /queue/v1/x HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\{\}$/s);
  });
});

describe('bounds', () => {
  it('64 calls at once are all answered, never more than 32 at a time', async () => {
    const run = await running();
    const answers = await Promise.all(Array.from({ length: 64 }, () => call(run, '/auth/v1/scopes/current')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    let [now, most] = [0, 0];
    const service = await upstream((_, response) => {
      most = Math.max(most, ++now);
      setImmediate(() => {
        now--;
        response.end('{}');
      });
    });
    const { socketPath } = await open({ ...service, most: { requests: 5 } });
    await Promise.all(Array.from({ length: 64 }, () => call({ socketPath }, '/queue/v1/x')));
    expect(service.seen).toHaveLength(64);
    expect(most).toBeLessThanOrEqual(5);
  });

  it('a body that is too large is refused, whether it says so or not, and never arrives whole', async () => {
    const service = await upstream(() => undefined);
    const { socketPath } = await open({ ...service, most: { bodyBytes: 100_000 } });
    const said = await call({ socketPath }, '/queue/v1/x', { method: 'POST', bytes: Buffer.alloc(3_000_000) });
    expect([said.status, said.body.code, service.seen.length]).toEqual([413, 'InputTooLarge', 0]);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const socket = begin(socketPath, `POST /queue/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`);
    let text = '';
    socket.on('data', (piece: Buffer) => (text += piece));
    await eventually('it is there', () => service.seen.length === 1);
    socket.write(chunk + chunk);
    await eventually('it is refused', () => /^HTTP\/1\.1 413 .*InputTooLarge/s.test(text));
    await eventually('the request to the service is broken off', () => service.seen[0]!.closed);
    expect(service.seen[0]!.complete).toBe(false);
  });

  it('a body larger than the service takes is refused by the service', async () => {
    const run = await running();
    const { status } = await call(run, '/queue/v1/tasks/create', { method: 'POST', json: { x: 'x'.repeat(11 * 1024 * 1024) } });
    expect([413, 502]).toContain(status);
  });

  it('what nobody reads is not piled up here', async () => {
    let written = 0;
    const piece = Buffer.alloc(64 * 1024);
    const service = await upstream((_, response) => {
      const more = () => {
        while (written < 512 * 1024 * 1024) {
          written += piece.length;
          if (!response.write(piece)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const { socketPath, logged } = await open(service);
    const socket = connect(socketPath);
    cleanUps.push(() => socket.destroy());
    socket.on('error', () => undefined).pause();
    socket.write('GET /queue/v1/x HTTP/1.1\r\nHost: a\r\n\r\n');
    let [before, same] = [-1, 0];
    await eventually('the service is held up', () => {
      same = written === before && written > 0 ? same + 1 : 0;
      before = written;
      return same > 10;
    });
    expect(written).toBeLessThan(64 * 1024 * 1024);
    socket.destroy();
    await eventually('the service is hung up on', () => service.seen[0]!.closed);
    await eventually('it is logged', () => logged.length === 1);
    expect(logged[0]).toMatchObject({ method: 'GET', path: '/queue/v1/x', status: 499 });
  });

  it('a body that stops, a service that says nothing, and a request that takes too long end in words', async () => {
    const service = await upstream(() => undefined);
    const idle = await open({ ...service, most: { idleMs: 200 } });
    begin(idle.socketPath, 'POST /queue/v1/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
    const silent = await call(idle, '/queue/v1/x');
    expect([silent.status, silent.body.code]).toEqual([504, 'ServiceUnavailable']);
    await eventually('both are over', () => service.seen.length === 2 && service.seen.every(({ closed }) => closed));
    const short = await open({ ...service, most: { requestMs: 200, requests: 1 } });
    const late = await Promise.all([call(short, '/queue/v1/x'), call(short, '/queue/v1/x')]); // the second one waits for its turn
    expect(late.map(({ status }) => status)).toEqual([504, 504]);
    const text = await raw(short.socketPath, 'GET /queue/v1/x HTTP/1.1\r\nHost: a\r\n'); // headers without an end
    expect(text).toMatch(/^HTTP\/1\.1 408 .*did not come in time/s);
  });

  it('a service that is away, or no service, is told as the service tells that it is', async () => {
    const service = await upstream((request) => request.socket.destroy());
    const { socketPath } = await open(service);
    const broken = await call({ socketPath }, '/queue/v1/x');
    expect([broken.status, broken.body.code, broken.headers['retry-after']]).toEqual([502, 'ServiceUnavailable', '1']);
    await service.close();
    const away = await call({ socketPath }, '/queue/v1/x', { method: 'POST', bytes: Buffer.alloc(1_000_000) });
    expect([away.status, away.body]).toEqual([502, { code: 'ServiceUnavailable', message: expect.stringContaining('ECONNREFUSED') }]);
    expect(away.text).not.toMatch(/127\.0\.0\.1/);
  });

  it('an answer that breaks off breaks off here, too', async () => {
    const service = await upstream((request, response) => {
      response.write('half');
      request.socket.end();
    });
    const { socketPath } = await open(service);
    await expect(call({ socketPath }, '/queue/v1/x')).rejects.toThrow(/aborted|ECONNRESET/);
  });

  it('a step that hangs up ends its request at the service; so does one that waits for a turn', async () => {
    const service = await upstream(() => undefined);
    const proxied = await open({ ...service, most: { requests: 1 } });
    const first = begin(proxied.socketPath, 'POST /queue/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc');
    await eventually('it is there', () => service.seen.length === 1);
    const second = begin(proxied.socketPath, 'GET /queue/v1/y HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('it was read', () => second.bytesWritten > 0 && !second.connecting && second.writableLength === 0);
    second.destroy();
    await eventually('the second one is over', () => proxied.logged.length === 1);
    first.destroy();
    await eventually('the first one is over', () => service.seen[0]!.closed && proxied.logged.length === 2);
    expect(service.seen.map(({ url, complete }) => [url, complete])).toEqual([['/api/queue/v1/x', false]]);
  });

  it('a step that hangs up ends all its requests, also those that follow another one on its connection', async () => {
    const service = await upstream(({ url }, response) => void (url === '/api/queue/v1/last' && response.end('{}')));
    const proxied = await open({ ...service, most: { requests: 3 } });
    const requests = ['a', 'b', 'c', 'd'].map((name) => `GET /queue/v1/${name} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const socket = begin(proxied.socketPath, requests.join(''));
    await eventually('three are there', () => service.seen.length === 3);
    socket.destroy();
    await eventually('all are over', () => service.seen.every(({ closed }) => closed) && proxied.logged.length === 4);
    expect(proxied.logged.map(({ status }) => status)).toEqual([499, 499, 499, 499]);
    expect(await call(proxied, '/queue/v1/last')).toMatchObject({ status: 200 });
  });

  it('of requests with a body few wait: what comes of them meanwhile is held here', async () => {
    const service = await upstream(({ url }, response) => void (url !== '/api/queue/v1/first' && response.end('{}')));
    const proxied = await open({ ...service, most: { requests: 1, waitingBodies: 2 } });
    const post = (name: string) => begin(proxied.socketPath, `POST /queue/v1/${name} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`);
    const first = post('first');
    await eventually('it is there', () => service.seen.length === 1);
    const all = ['a', 'b', 'c', 'd', 'e'].map(post);
    await eventually('three are refused', () => proxied.logged.length === 3);
    expect(proxied.logged.map(({ status }) => status)).toEqual([503, 503, 503]);
    first.destroy();
    await eventually('two had their turn', () => service.seen.length === 3 && proxied.logged.length === 6);
    for (const socket of all) socket.destroy();
    expect(await call(proxied, '/queue/v1/x', { method: 'POST', bytes: 'abc' })).toMatchObject({ status: 200 });
  });

  it('who sends requests without end, or opens connections without end, is hung up on', async () => {
    const service = await upstream(() => undefined);
    const { socketPath } = await open({ ...service, most: { requests: 1, connections: 4 } });
    const flood = connect(socketPath).on('error', () => undefined);
    const closed = once(flood.resume(), 'close');
    flood.write('GET /queue/v1/x HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20));
    await closed;
    const sockets = Array.from({ length: 10 }, () => begin(socketPath, ''));
    await eventually('six are closed', () => sockets.filter(({ closed }) => closed).length === 6);
  });
});

/** A step's sandbox, as small as it may be: no network, and the socket. What it prints. */
async function sandboxed(socketPath: string, ...command: string[]): Promise<string> {
  const system = ['/usr', '/lib', '/lib64', '/bin'].flatMap((place) => (existsSync(place) ? ['--ro-bind', place, place] : []));
  const apart = [
    '--unshare-user',
    '--unshare-pid',
    '--unshare-net',
    '--unshare-ipc',
    '--uid',
    '1000',
    '--cap-drop',
    'ALL',
    '--disable-userns',
  ];
  const made = ['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--ro-bind', socketPath, '/tekton/proxy.sock'];
  const node = ['--ro-bind', path.dirname(path.dirname(process.execPath)), '/node'];
  const args = [...apart, '--die-with-parent', '--new-session', ...system, ...made, ...node, '--', ...command];
  const env = { PATH: '/node/bin:/usr/bin:/bin', TASK_PROXY_SOCKET: '/tekton/proxy.sock' };
  const child = spawn('/usr/bin/bwrap', args, { ...unprivileged, env, cwd: '/', timeout: 20_000, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (printed += piece));
  await once(child, 'close');
  return printed;
}

describeSandboxed('a step in a sandbox without a network', () => {
  it('81: calls with curl and with node, is refused beyond its scopes, and finds the key nowhere', async () => {
    const run = await running();
    const other = await tasks.create();
    const curl = 'curl -sS --unix-socket "$TASK_PROXY_SOCKET"';
    const script = [
      `${curl} http://proxy/auth/v1/scopes/current; echo`,
      `${curl} -o /dev/null -w 'cancel %{http_code}\\n' -X POST http://proxy/queue/v1/task/${other}/cancel`,
      `curl -sS -m 2 ${test.root.url}/api/queue/v1/ping && echo network`,
      'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/net/unix | tr "\\000" "\\n"; id -u; ls -l /tekton',
      'rm -f /tekton/proxy.sock; mv /tekton/proxy.sock /tekton/x',
      `${curl} -o /dev/null -w 'after %{http_code}\\n' http://proxy/queue/v1/ping`,
    ].join('\n');
    const printed = await sandboxed(run.socketPath, '/bin/sh', '-c', script);
    expect(printed).toContain(`queue:create-artifact:${run.taskId}/0`);
    expect(printed).toMatch(/^cancel 403$/m);
    expect(printed).toMatch(/^after 200$/m);
    expect(printed).not.toMatch(/^network$/m);
    expect(printed).not.toContain(run.held.accessToken);
    expect(printed).not.toMatch(/Hawk id|mac=/);
    const program = `require('http').get({ socketPath: process.env.TASK_PROXY_SOCKET, path: '/queue/v1/ping' }, (answer) => console.log(answer.resume().statusCode, JSON.stringify(answer.headers)))`;
    const byNode = await sandboxed(run.socketPath, 'node', '-e', program);
    expect(byNode).toMatch(/^200 \{/);
    expect(byNode).not.toMatch(/hawk|authorization|cookie/i);
  });
});

describe('its life', () => {
  it('is that of the run: once it is closed nothing is open, and nothing can be reached', async () => {
    const service = await upstream(() => undefined);
    const { socketPath, proxy, logged } = await open({ ...service, most: { requests: 2 } });
    const sockets = ['a', 'b', 'c', 'd'].map((name) => begin(socketPath, `GET /queue/v1/${name} HTTP/1.1\r\nHost: a\r\n\r\n`));
    sockets.push(begin(socketPath, ''), begin(socketPath, 'POST /queue/v1/x HTTP/1.1\r\n'));
    await eventually('two are there', () => service.seen.length === 2);
    await Promise.all([proxy.close(), proxy.close()]);
    expect(existsSync(socketPath)).toBe(false);
    await eventually('all are over', () => sockets.every(({ closed }) => closed) && service.seen.every(({ closed }) => closed));
    expect(service.seen).toHaveLength(2);
    expect(logged.map(({ status }) => status)).toEqual([499, 499, 499, 499]);
    await expect(call({ socketPath }, '/queue/v1/x')).rejects.toThrow('ENOENT');
    await proxy.close();
  });

  it('82: begins only where nobody else can enter', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-proxy-'));
    cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
    const options = { rootUrl: test.root.url, credentials: () => ({ clientId: 'a', accessToken: 'b' }), log: () => undefined };
    chmodSync(directory, 0o711);
    await expect(openApiProxy({ ...options, socketPath: path.join(directory, 'api') })).rejects.toThrow(
      /^Others can enter .*; chmod 700 it$/,
    );
    chmodSync(directory, 0o700);
    await expect(openApiProxy({ ...options, socketPath: path.join(directory, 'x'.repeat(100)) })).rejects.toThrow(/longer than 107 bytes/);
    await expect(openApiProxy({ ...options, rootUrl: 'https://x/api', socketPath: path.join(directory, 'api') })).rejects.toThrow(
      /^rootUrl must/,
    );
    writeFileSync(path.join(directory, 'api'), '');
    await expect(openApiProxy({ ...options, socketPath: path.join(directory, 'api') })).rejects.toThrow('EADDRINUSE');
    expect(statSync(path.join(directory, 'api')).isFile()).toBe(true);
  });
});

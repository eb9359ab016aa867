import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import taskcluster from 'taskcluster-client';
import { authorizationHeader } from '../src/credentials/hawk.js';
import { type Credentials, definition, slugid } from './support/api.js';
import { Creator, keySetJson } from './support/creator.js';
import { createDatabase } from './support/database.js';
import { eventually, newDataDir, onDatabase, ROOT, removeDataDir, ServiceProcess } from './support/service-process.js';

/** One request, what the log must say of it, and the secrets that it carried. */
interface Sent {
  method: string;
  path: string;
  status: number;
  /** As the answer says it; a caller that hung up cannot know. */
  reqId?: string;
  operation?: string;
  clientId?: string;
}

interface Line {
  level: string;
  reqId?: string;
  method?: string;
  path?: string;
  status?: number;
  err?: object;
}

const secrets = new Map<string, string>();
const sent: Sent[] = [];

function keep(what: string, secret: string): string {
  expect(secret.length).toBeGreaterThan(7); // shorter ones would be found by chance
  secrets.set(`${what} ${secrets.size}`, secret);
  return secret;
}

const canary = (what: string) => keep(what, `canary-${what}-${randomBytes(12).toString('hex')}`);

function keepCredentials({ accessToken, certificate }: Credentials): void {
  keep('access token', accessToken);
  if (certificate === undefined) return;
  const { signature, seed } = JSON.parse(certificate);
  keep('signature', signature);
  keep('seed', seed);
}

type Method = 'GET' | 'HEAD' | 'OPTIONS' | 'POST' | 'PUT' | 'DELETE';

interface Options {
  credentials?: Credentials;
  authorization?: string;
  body?: unknown;
  text?: string;
  /** In place of JSON. */
  form?: Record<string, string>;
  operation?: string;
  /** Who the log must say it was; the service never says so for a caller it refused. */
  clientId?: string;
  hangUpAfterMs?: number;
}

/** Sends it exactly as given: fetch and supertest would repair the URL. */
async function send(url: string, method: Method, path: string, expected: number, options: Options = {}): Promise<unknown> {
  const { hostname, port } = new URL(url);
  const authorization = options.authorization ?? (options.credentials && sign(options.credentials, method, path, hostname, port));
  const form = options.form && new URLSearchParams(options.form).toString();
  const text = form ?? options.text ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
  const headers = {
    ...(authorization !== undefined && { authorization }),
    ...(text !== undefined && { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
  };
  const request = http.request({ hostname, port, method, path, headers, agent: false });
  const answered = once(request, 'response').catch(() => []);
  request.end(text);
  if (options.hangUpAfterMs !== undefined) setTimeout(() => request.destroy(), options.hangUpAfterMs);
  const [response] = (await answered) as http.IncomingMessage[];
  const answer = response ? (await response.setEncoding('utf8').toArray()).join('') : '';
  const status = response?.statusCode ?? 499;
  if (status !== expected) throw new Error(`${method} ${path} answered ${status}: ${answer}`);
  const clientId = options.clientId ?? options.credentials?.clientId;
  const reqId = response?.headers['x-for-request-id'] as string | undefined;
  const { operation } = options;
  sent.push({
    method,
    path: path.split('?')[0] ?? '',
    status,
    ...(reqId && { reqId }),
    ...(operation && { operation }),
    ...(status !== 401 && clientId && { clientId }),
  });
  return answer.startsWith('{') ? JSON.parse(answer) : answer;
}

/** Hangs up in the middle of a body, which is no failure of the service. */
async function breakOff(url: string, path: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const request = http.request({ hostname, port, method: 'PUT', path, headers: { 'content-length': 100 }, agent: false });
  request.on('error', () => undefined);
  request.write(canary('half'));
  await sleep(200);
  request.destroy();
  sent.push({ method: 'PUT', path: path.split('?')[0] ?? '', status: 499, operation: 'putBlob' });
}

/** Hangs up in the middle of an answer that is longer than what buffers on the way take. */
async function breakOffReading(url: string, path: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const [response] = (await once(http.get({ hostname, port, path, agent: false }), 'response')) as [http.IncomingMessage];
  response.destroy();
  const reqId = response.headers['x-for-request-id'] as string;
  sent.push({ method: 'GET', path: path.split('?')[0] ?? '', status: 499, reqId, operation: 'getBlob' });
}

function sign(credentials: Credentials, method: string, resource: string, host: string, port: string): string {
  const nonce = randomBytes(6).toString('hex');
  const header = authorizationHeader(credentials, { method, resource, host, port: Number(port) }, { nowMs: Date.now(), nonce });
  for (const attribute of ['mac', 'ext']) {
    const value = new RegExp(`${attribute}="([^"]+)"`).exec(header)?.[1];
    if (value) keep(attribute, value);
  }
  return header;
}

async function sendBrokenRequest(url: string, secret: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`GET /api/queue/v1/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Hawk ${secret}\r\nBroken\x01Header: ${secret}\r\n\r\n`);
  const answer = (await socket.setEncoding('utf8').toArray()).join('');
  expect(answer).toMatch(/^HTTP\/1.1 400 /);
}

const NOBODY = ''; // refused before anyone looked who it is
const API = '/api/queue/v1';
const AUTH = '/api/auth/v1';

async function exerciseEverything(url: string, database: { query(sql: string): Promise<unknown> }): Promise<void> {
  const root = { credentials: ROOT };
  const rootUrl = url;
  for (const path of ['/', '/api', '/api/openapi.json', '/__heartbeat__']) {
    await send(url, 'GET', path, path === '/' ? 404 : 200, path === '/__heartbeat__' ? { operation: 'heartbeat' } : {});
  }
  await send(url, 'HEAD', `${API}/ping`, 200, { operation: 'ping' });
  await send(url, 'OPTIONS', `${API}/task/x`, 200);

  // a client of the database, its temporary credentials, a signed URL
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  const client = { expires, description: '', scopes: ['queue:*', 'auth:*'] };
  const made = (await send(url, 'PUT', `${AUTH}/clients/logs%2Fclient`, 200, {
    ...root,
    body: client,
    operation: 'createClient',
  })) as Credentials;
  const stored = { clientId: made.clientId, accessToken: keep('access token', made.accessToken) };
  const temporary = taskcluster.createTemporaryCredentials({
    credentials: stored,
    scopes: ['queue:*', 'auth:*'],
    expiry: new Date(expires),
  });
  keepCredentials(temporary);
  await send(url, 'GET', `${AUTH}/scopes/current`, 200, { credentials: temporary, operation: 'currentScopes' });
  const auth = new taskcluster.Auth({ rootUrl, credentials: temporary });
  const signed = new URL(auth.buildSignedUrl(auth.currentScopes));
  keep('bewit', signed.searchParams.get('bewit')!);
  await send(url, 'GET', `${signed.pathname}${signed.search}`, 200, { operation: 'currentScopes', clientId: stored.clientId });
  await send(url, 'GET', `${signed.pathname}x${signed.search}`, 404);
  await send(url, 'GET', `${API}/task/%zz${signed.search}`, 400);
  const reset = (await send(url, 'POST', `${AUTH}/clients/logs%2Fclient/reset`, 200, {
    ...root,
    operation: 'resetAccessToken',
  })) as Credentials;
  keep('access token', reset.accessToken);

  // the life of a task
  const taskId = slugid();
  const body = definition({ taskQueueId: 'logs/queue', payload: { secret: canary('payload') } });
  await send(url, 'PUT', `${API}/task/${taskId}`, 200, { ...root, body, operation: 'createTask' });
  const claiming = { ...root, body: { tasks: 1, workerGroup: 'g', workerId: 'w' }, operation: 'claimWork' };
  const { tasks } = (await send(url, 'POST', `${API}/claim-work/logs%2Fqueue`, 200, claiming)) as { tasks: { credentials: Credentials }[] };
  const { credentials } = tasks[0]!;
  keepCredentials(credentials);
  const run = `${API}/task/${taskId}/runs/0`;
  const reclaimed = (await send(url, 'POST', `${run}/reclaim`, 200, { credentials, operation: 'reclaimTask' })) as {
    credentials: Credentials;
  };
  keepCredentials(reclaimed.credentials);
  const artifact = { credentials: reclaimed.credentials, operation: 'createArtifact' };
  const s3 = { ...artifact, body: { storageType: 's3', expires } };
  const upload = async (name: string) => (await send(url, 'POST', `${run}/artifacts/${name}`, 200, s3)) as { putUrl: string };
  const { putUrl } = await upload('a');
  const { putUrl: largeUrl } = await upload('large');
  const object = { ...artifact, body: { storageType: 'object', expires } };
  keepCredentials(((await send(url, 'POST', `${run}/artifacts/o`, 200, object)) as { credentials: Credentials }).credentials);
  const content = async (name: string) =>
    (await send(url, 'GET', `${run}/artifact-content/${name}`, 200, { ...root, operation: 'artifact' })) as { url: string };
  const { url: getUrl } = await content('a');
  const put = new URL(largeUrl);
  keep('signature of a URL', put.searchParams.get('signature') ?? '');
  await send(url, 'PUT', put.pathname + put.search, 200, { operation: 'putBlob', text: 'large '.repeat(4 * 1024 * 1024) });
  const get = new URL((await content('large')).url);
  keep('signature of a URL', get.searchParams.get('signature') ?? '');
  await breakOffReading(url, get.pathname + get.search);
  for (const [method, signedUrl, operation] of [
    ['PUT', putUrl, 'putBlob'],
    ['GET', getUrl, 'getBlob'],
  ] as const) {
    const { pathname, search, searchParams } = new URL(signedUrl);
    keep('signature of a URL', searchParams.get('signature') ?? '');
    await send(url, method, pathname + search, 200, { operation, ...(method === 'PUT' ? { text: canary('bytes') } : {}) });
    if (method === 'PUT') await breakOff(url, pathname + search);
    await send(url, method, `${pathname}${search}x`, 400, { operation, ...(method === 'PUT' ? { text: canary('bytes') } : {}) });
  }
  await send(url, 'POST', `${run}/completed`, 200, { credentials: reclaimed.credentials, operation: 'reportCompleted' });
  await send(url, 'POST', `${run}/failed`, 409, { credentials: reclaimed.credentials, operation: 'reportFailed' });
  await send(url, 'POST', `${API}/claim-work/logs%2Fidle`, 499, { ...claiming, hangUpAfterMs: 200 });

  await exerciseSignatures(url);
  await exerciseRegistryTokens(url);

  // refusals that carry secrets
  const status = `${API}/task/${taskId}/status`;
  await send(url, 'GET', status, 401, { credentials: stored, operation: 'status' }); // its token was reset
  await send(url, 'GET', status, 401, { credentials: { ...ROOT, accessToken: canary('wrong-token') }, operation: 'status' });
  await send(url, 'GET', status, 401, { credentials: { ...credentials, accessToken: canary('wrong-token') }, operation: 'status' });
  for (const scheme of ['Hawk', 'Bearer', 'Basic', '']) {
    await send(url, 'GET', status, 401, { authorization: `${scheme} ${canary('header')}`.trim(), operation: 'status' });
  }
  await send(url, 'GET', status, 403, { operation: 'status' });
  await send(url, 'GET', `${status}?bewit=${canary('bewit')}`, 401, { operation: 'status' });
  await send(url, 'GET', `${status}?token=${canary('query')}`, 400, { ...root, operation: 'status' });
  const creation = { ...root, operation: 'createTask' };
  await send(url, 'PUT', `${API}/task/${slugid()}`, 400, { ...creation, clientId: NOBODY, text: `{"accessToken": ${canary('malformed')}` });
  await send(url, 'PUT', `${API}/task/${slugid()}`, 400, { ...creation, body: { ...body, accessToken: canary('unknown-field') } });
  await send(url, 'POST', `${AUTH}/authenticate-hawk`, 200, {
    operation: 'authenticateHawk',
    body: { method: 'get', resource: '/', host: 'h', port: 80, authorization: `Hawk id="static/root", mac="${canary('oracle')}"` },
  });

  // failures of ours: Postgres shows values of the row in its error, Node the request in its own
  await database.query(`alter table task_definition add constraint broken check (length(definition::text) < 10) not valid`);
  await send(url, 'PUT', `${API}/task/${slugid()}`, 500, { ...creation, body: { ...body, payload: { secret: canary('row') } } });
  await database.query('alter table task rename to vanished');
  await send(url, 'GET', status, 500, { ...root, operation: 'status' });
  await sendBrokenRequest(url, canary('broken-request'));
}

/** (63, 64) A signed task, refused when it is created, and by its worker. */
async function exerciseSignatures(url: string): Promise<void> {
  const creator = new Creator('logs', 'logs-key');
  const root = { credentials: ROOT };
  const policy = `${API}/task-queues/logs%2Fsigned/signature-policy`;
  await send(url, 'PUT', policy, 200, {
    ...root,
    body: { policy: 'require', keySet: keySetJson(1, creator) },
    operation: 'setSignaturePolicy',
  });
  const payload = { env: { SECRET: canary('signed-payload') } };
  const { taskId, body, jws } = await creator.signed({ taskQueueId: 'logs/signed', payload });
  for (const part of jws.split('.').slice(1)) keep('part of a signature', part);
  const creating = { ...root, operation: 'createTask' };
  const task = `${API}/task/${taskId}`;
  await send(url, 'PUT', task, 400, { ...creating, body: { ...body, payload: { env: { SECRET: canary('other') } }, signature: jws } });
  await send(url, 'PUT', task, 200, { ...creating, body: { ...body, signature: jws } });
  const claiming = { ...root, body: { tasks: 1, workerGroup: 'g', workerId: 'w' }, operation: 'claimWork' };
  const { tasks } = (await send(url, 'POST', `${API}/claim-work/logs%2Fsigned`, 200, claiming)) as {
    tasks: { credentials: Credentials }[];
  };
  keepCredentials(tasks[0]!.credentials);
  await send(url, 'GET', `${task}/signature`, 200, { ...root, operation: 'getTaskSignature' });
  const refusal = { reason: 'signature-invalid', signature: { code: 'signature-unknown-key', kid: 'logs-key' } };
  await send(url, 'POST', `${task}/runs/0/exception`, 200, { ...root, body: refusal, operation: 'reportException' });
}

/** (74) Who logs in to a registry sends its access token, and is sent two other secrets. */
async function exerciseRegistryTokens(url: string): Promise<void> {
  const TOKEN = '/registry/token';
  const { clientId, accessToken } = ROOT;
  const basic = (password: string) => {
    const authorization = `Basic ${Buffer.from(`${clientId}:${password}`).toString('base64')}`;
    keep('basic', authorization.slice('Basic '.length));
    return { authorization, operation: 'getRegistryToken' };
  };
  const keepTokens = (answer: unknown) => {
    const { token, refresh_token } = answer as { token: string; refresh_token: string };
    for (const part of [token, ...token.split('.').slice(1)]) keep('registry token', part);
    keep('mac of a refresh token', refresh_token.split('.')[1] ?? '');
    return refresh_token;
  };
  const asked = `${TOKEN}?offline_token=true&scope=repository:logs/app:pull`;
  const refresh_token = keepTokens(await send(url, 'GET', asked, 200, { ...basic(accessToken), clientId }));
  await send(url, 'GET', `${TOKEN}?scope=${canary('scope')}`, 400, { operation: 'getRegistryToken' });
  await send(url, 'GET', TOKEN, 401, basic(canary('wrong-password')));
  const operation = 'createRegistryToken';
  const form = { grant_type: 'refresh_token', refresh_token, access_type: 'offline', scope: 'repository:logs/app:pull' };
  keepTokens(await send(url, 'POST', TOKEN, 200, { form, operation, clientId }));
  await send(url, 'POST', TOKEN, 401, { form: { ...form, refresh_token: `${canary('refresh')}.${'x'.repeat(43)}` }, operation });
  await send(url, 'POST', TOKEN, 400, { form: { grant_type: 'password', username: clientId, refresh_token: canary('form') }, operation });
}

it('says one line for each request, and no secret ever', async () => {
  const { url: plainUrl, pool, drop } = await createDatabase();
  const databaseUrl = new URL(plainUrl);
  databaseUrl.password ||= canary('database-password'); // the embedded Postgres trusts whoever reaches its socket
  keep('database password', databaseUrl.password);
  const dataDir = newDataDir();
  keep('access token', ROOT.accessToken);
  const environment = {
    ...onDatabase(databaseUrl.href),
    MASTER_KEY: canary('master-key'),
    LOG_LEVEL: 'trace',
    DATA_DIR: dataDir,
    SIGNATURE_AUDIENCE: 'logs',
  };
  const service = await new ServiceProcess({ ...environment, SWEEP_INTERVAL: '0.2', CLAIM_POLL: '5' }).ready();
  try {
    await exerciseEverything(service.url, pool);
    await sleep(500); // sweeps that fail
  } finally {
    await service.stop();
    await drop();
    removeDataDir(dataDir);
  }
  const { output } = service;
  for (const [what, secret] of secrets) {
    if (output.includes(secret)) throw new Error(`${what} is in the log: ${output.split('\n').find((line) => line.includes(secret))}`);
    expect(output).not.toContain([...Buffer.from(secret)].join(',')); // a Buffer, as JSON has it
  }
  expect(secrets.size).toBeGreaterThan(40);
  expect(output).not.toMatch(/authorization|certificate"|mac=/i);

  expect(output).toContain('a worker does not know the key of a signature');

  const texts = output.split('\n').filter((line) => line.startsWith('{'));
  const lines = texts.map((text) => JSON.parse(text) as Line);
  const requests = lines.filter(({ status }) => status !== undefined);
  expect(requests).toHaveLength(sent.length);
  for (const one of sent) {
    const same = ({ reqId, method, path, status }: Line) =>
      one.reqId ? reqId === one.reqId : method === one.method && path === one.path && status === one.status;
    const shape = { level: 'info', reqId: expect.any(String), ms: expect.any(Number), ...one };
    expect(requests.filter(same)).toEqual([expect.objectContaining(shape)]);
  }
  const known = requests.filter((line) => 'clientId' in line).length;
  expect(known).toBe(sent.filter((one) => 'clientId' in one).length); // who was not believed is not named
  expect(lines.filter(({ err, reqId }) => err && reqId)).toHaveLength(2); // each 500 says why, beside its request
  expect(lines.some(({ err, reqId }) => err && !reqId)).toBe(true); // as do sweeps
}, 60_000);

it('keeps a bounded number of lines for a reader who has stopped, and says how many were lost', async () => {
  const logger = pathToFileURL(path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/service/http/logger.js'));
  const code = `
    const log = (await import('${logger}')).createLogger('info');
    const turn = () => new Promise(setImmediate);
    const before = process.memoryUsage().rss;
    for (let n = 0; n < 1500; n++, await turn()) for (let m = 0; m < 100; m++) log.info({ n }, 'x'.repeat(900));
    console.log((process.memoryUsage().rss - before) / 2 ** 20);
    process.stdin.resume().on('end', () => process.exit(0));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'pipe' });
  let [grown, lines] = ['', ''];
  try {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      grown += text;
    });
    await eventually('all was logged', () => grown.endsWith('\n'), 30_000);
    expect(Number(grown)).toBeLessThan(100); // of 140 MB of lines, as text
    child.stderr.setEncoding('utf8').on('data', (text) => {
      lines += text;
    });
    await eventually('the loss is told', () => lines.includes('"lost":'));
    const told = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { n?: number; lost?: number });
    const lost = told.reduce((sum, line) => sum + (line.lost ?? 0), 0);
    expect(told.filter(({ n }) => n !== undefined).length + lost).toBe(150_000);
    expect(lines.length).toBeGreaterThan(8_000_000);
    expect(lines.length).toBeLessThan(10_000_000);
  } finally {
    child.stdin.end();
    await once(child, 'close');
  }
}, 60_000);

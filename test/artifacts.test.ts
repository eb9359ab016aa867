import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { DiskStore } from '../src/service/artifacts/blobs/disk-store.js';
import { ArtifactExpiry } from '../src/service/artifacts/expiry.service.js';
import { Config } from '../src/service/config.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import type { Answer, Api } from './support/api.js';
import { assertContract } from './support/contract.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

const MOST = 3_000_000;

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, artifactMaxSize: MOST });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
const at = (name: string) => encodeURIComponent(name);
const artifactsOf = (taskId: string, runId = 0) => `/queue/v1/task/${taskId}/runs/${runId}/artifacts`;
const artifactAt = (taskId: string, name: string, runId = 0) => `${artifactsOf(taskId, runId)}/${at(name)}`;
const contentAt = (taskId: string, name: string, runId = 0) => `/queue/v1/task/${taskId}/runs/${runId}/artifact-content/${at(name)}`;
const s3 = (more: object = {}) => ({ storageType: 's3', expires: inHours(1), contentType: 'text/plain', ...more });
const object = (more: object = {}) => ({ ...s3(more), storageType: 'object' });
const reference = (more: object = {}) => ({ ...s3(more), storageType: 'reference', url: 'https://example.com/x', ...more });
const link = (artifact: string, more: object = {}) => ({ storageType: 'link', expires: inHours(1), artifact, ...more });
const failure = (more: object = {}) => ({
  storageType: 'error',
  expires: inHours(1),
  reason: 'file-missing-on-worker',
  message: 'no such file',
  ...more,
});

/** A claimed run, and calls with its credentials. */
async function held(overrides: Record<string, unknown> = {}): Promise<{ taskId: string; run: Api }> {
  const taskId = await tasks.create(overrides);
  const { credentials } = await ok(tasks.claimTask(taskId));
  return { taskId, run: test.root.as(credentials) };
}

interface Raw {
  status: number;
  headers: Headers;
  bytes: Buffer;
  json: { code?: string; message?: string };
}

/** Calls a URL as it is, without credentials. */
async function raw(method: string, url: string, { body, headers = {} }: { body?: Buffer | string; headers?: Record<string, string> } = {}) {
  const answer = await fetch(url, { method, headers, redirect: 'manual', ...(body === undefined ? {} : { body }) });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') && answer.status >= 400 && bytes.length > 0;
  const json = isJson ? JSON.parse(bytes.toString()) : {};
  assertContract(method, new URL(url).pathname, { status: answer.status, body: json, headers: Object.fromEntries(answer.headers) });
  return { status: answer.status, headers: answer.headers, bytes, json } satisfies Raw;
}

async function put(url: string, body: Buffer | string, headers: Record<string, string> = {}): Promise<void> {
  const { status, json } = await raw('PUT', url, { body, headers });
  if (status !== 200) throw new Error(`PUT answered ${status}: ${JSON.stringify(json)}`);
}

/** Where the redirect leads. */
async function locationOf(answer: Promise<Answer>): Promise<string> {
  const { status, headers, body } = await answer;
  expect({ status, location: headers.location }).toEqual({ status: 303, location: body.url });
  expect(headers['x-taskcluster-artifact-storage-type']).toBe(body.storageType);
  return body.url;
}

async function uploaded(taskId: string, run: Api, name: string, bytes: Buffer | string, more: object = {}): Promise<string> {
  const { putUrl } = await ok(run.post(artifactAt(taskId, name), s3(more)));
  await put(putUrl, bytes);
  return putUrl;
}

const directory = () => path.join(test.service.app.get(Config).dataDir, 'artifacts');
const filesIn = (part: 'blobs' | 'unfinished') =>
  existsSync(path.join(directory(), part))
    ? readdirSync(path.join(directory(), part), { recursive: true, encoding: 'utf8', withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name))
    : [];
const rowOf = async (taskId: string, name: string) =>
  (await test.database.pool.query('select * from artifact where task_id = $1 and name = $2', [taskId, name])).rows[0];
const eventsOf = async (taskId: string) =>
  (await test.database.pool.query(`select * from event where task_id = $1 and kind = 'artifact-created' order by id`, [taskId])).rows;
const alter = (taskId: string, assignments: string) =>
  test.database.pool.query(`update artifact set ${assignments} where task_id = $1`, [taskId]);

describe('an s3 artifact', () => {
  it('is uploaded to the URL of its creation, and downloaded from where it redirects', async () => {
    const { taskId, run } = await held();
    const created = await ok(run.post(artifactAt(taskId, 'public/log.txt'), s3()));
    expect(created).toEqual({ storageType: 's3', putUrl: expect.any(String), expires: expect.any(String), contentType: 'text/plain' });
    expect(Date.parse(created.expires) - Date.now()).toBeGreaterThan(44 * 60_000);
    expect(Date.parse(created.expires) - Date.now()).toBeLessThanOrEqual(45 * 60_000);
    expect(created.putUrl.startsWith(`${test.service.url}/api/artifacts/v1/blobs/`)).toBe(true);
    await put(created.putUrl, 'hello');
    const reader = await test.client('queue:get-artifact:public/*');
    const url = await locationOf(reader.get(artifactAt(taskId, 'public/log.txt')));
    const answer = await raw('GET', url);
    expect([answer.status, answer.bytes.toString(), answer.headers.get('content-type')]).toEqual([200, 'hello', 'text/plain']);
    expect(await ok(reader.get(contentAt(taskId, 'public/log.txt')))).toEqual({ storageType: 's3', url: expect.any(String) });
    for (const latest of [`artifacts/${at('public/log.txt')}`, `artifact-content/${at('public/log.txt')}`]) {
      const { body } = await reader.get(`/queue/v1/task/${taskId}/${latest}`);
      expect((await raw('GET', body.url)).bytes.toString()).toBe('hello');
    }
  });

  it('is listed at once, with its length when that is known, and writes no event', async () => {
    const { taskId, run } = await held();
    const expires = inHours(2);
    await ok(run.post(artifactAt(taskId, 'b'), s3({ expires })));
    const described = { storageType: 's3', name: 'b', expires, contentType: 'text/plain' };
    expect((await ok(test.root.get(artifactsOf(taskId)))).artifacts).toEqual([described]);
    await uploaded(taskId, run, 'b', 'hello', { expires });
    expect(await ok(test.root.get(`/queue/v1/task/${taskId}/runs/0/artifact-info/b`))).toEqual({ ...described, contentLength: 5 });
    expect(await ok(test.root.get(`/queue/v1/task/${taskId}/artifact-info/b`))).toEqual({ ...described, contentLength: 5 });
    expect(await eventsOf(taskId)).toEqual([]);
  });

  it('has a content type of its own even if none is said, and a URL that ends no later than it does', async () => {
    const { taskId, run } = await held();
    const expires = new Date(Date.now() + 60_000).toISOString();
    const created = await ok(run.post(artifactAt(taskId, 'x'), { storageType: 's3', expires }));
    expect([created.contentType, created.expires]).toEqual(['application/binary', expires]);
    const empty = await ok(run.post(artifactAt(taskId, 'y'), { storageType: 's3', expires, contentType: '', contentLength: 3 }));
    expect(empty.contentType).toBe('application/binary');
    expect((await ok(test.root.get(artifactsOf(taskId)))).artifacts[1].contentLength).toBe(3);
  });
});

describe('bytes', () => {
  it('may be sent again by the same URL, and again by a new one: the last that were complete win', async () => {
    const { taskId, run } = await held();
    const first = await uploaded(taskId, run, 'a', 'one');
    const url = await locationOf(test.root.get(artifactAt(taskId, 'a')));
    await put(first, 'two');
    expect((await raw('GET', url)).bytes.toString()).toBe('two');
    await uploaded(taskId, run, 'a', 'three');
    expect((await raw('GET', url)).bytes.toString()).toBe('three');
    await put(first, '');
    const { status, bytes, headers } = await raw('GET', url);
    expect([status, bytes.length, headers.get('content-length')]).toEqual([200, 0, '0']);
    expect(filesIn('unfinished')).toEqual([]);
  });

  it('come back with the Content-Encoding they were sent with, and as the type that was announced', async () => {
    const { taskId, run } = await held();
    const { putUrl } = await ok(run.post(artifactAt(taskId, 'a'), s3({ contentType: 'application/json; x="y"' })));
    const packed = gzipSync('{"a":1}');
    await put(putUrl, packed, { 'content-encoding': 'GZIP', 'content-type': 'text/html' });
    const url = await locationOf(test.root.get(artifactAt(taskId, 'a')));
    const bytes = await new Promise<{ encoding?: string; type?: string; sent: Buffer }>((resolve, reject) => {
      httpRequest(url, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        const { 'content-encoding': encoding, 'content-type': type } = response.headers;
        resolve({ ...(encoding ? { encoding } : {}), ...(type ? { type } : {}), sent: Buffer.concat(chunks) });
      })
        .on('error', reject)
        .end();
    });
    expect([bytes.encoding, bytes.type, gunzipSync(bytes.sent).toString()]).toEqual(['gzip', 'application/json; x="y"', '{"a":1}']);
    expect((await raw('PUT', putUrl, { body: 'x', headers: { 'content-encoding': 'rot13' } })).status).toBe(400);
    await put(putUrl, 'plain', { 'content-encoding': 'identity' });
    expect((await raw('GET', url)).headers.get('content-encoding')).toBeNull();
  });

  it('of JSON, of no type, of any type and of 2 MB are just bytes', async () => {
    const { taskId, run } = await held();
    const large = randomBytes(2_000_000);
    for (const [body, type] of [
      ['{"not": json', 'application/json'],
      ['', 'application/json'],
      [Buffer.from([0, 255, 0]), 'multipart/form-data'],
      [large, ';;;'],
    ] as const) {
      const { putUrl } = await ok(run.post(artifactAt(taskId, 'any'), s3()));
      await put(putUrl, body as Buffer, { 'content-type': type });
      const { bytes } = await raw('GET', await locationOf(test.root.get(artifactAt(taskId, 'any'))));
      expect(bytes.equals(Buffer.from(body))).toBe(true);
    }
  });

  it('beyond the limit are refused, announced or not, and leave nothing behind', async () => {
    const { taskId, run } = await held();
    const putUrl = await uploaded(taskId, run, 'a', 'kept');
    const files = filesIn('blobs').length;
    await put(putUrl, Buffer.alloc(MOST));
    await put(putUrl, 'kept');
    for (const chunked of [false, true]) {
      const status = await new Promise((resolve, reject) => {
        const headers = chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(MOST + 1) };
        const call = httpRequest(putUrl, { method: 'PUT', headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        call.on('error', reject);
        if (!chunked)
          call.write('x'); // the refusal does not wait for the rest
        else for (let sent = 0; sent <= MOST; sent += 100_000) call.write(Buffer.alloc(100_000));
        if (chunked) call.end();
      });
      expect(status).toBe(413);
    }
    expect((await raw('GET', await locationOf(test.root.get(artifactAt(taskId, 'a'))))).bytes.toString()).toBe('kept');
    expect([filesIn('blobs').length, filesIn('unfinished')]).toEqual([files, []]);
  });

  it('that break off leave what was there', async () => {
    const { taskId, run } = await held();
    const putUrl = await uploaded(taskId, run, 'a', 'kept');
    for (const headers of [{ 'content-length': '1000' }, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
      const call = httpRequest(putUrl, { method: 'PUT', headers });
      call.on('error', () => undefined);
      call.write('half of it');
      for (let tries = 0; filesIn('unfinished').length === 0 && tries < 500; tries++) await new Promise((done) => setTimeout(done, 10));
      expect(filesIn('unfinished')).toHaveLength(1);
      call.destroy();
      for (let tries = 0; filesIn('unfinished').length > 0 && tries < 500; tries++) await new Promise((done) => setTimeout(done, 10));
      expect(filesIn('unfinished')).toEqual([]);
    }
    expect((await raw('GET', await locationOf(test.root.get(artifactAt(taskId, 'a'))))).bytes.toString()).toBe('kept');
    expect((await rowOf(taskId, 'a')).content_length).toBe('4');
  });

  it('may take longer than a request may, if they keep coming and the URL is good', async () => {
    const { taskId, run } = await held();
    const { putUrl } = await ok(run.post(artifactAt(taskId, 'slow'), s3()));
    const server = test.service.app.getHttpServer();
    const tooSlow = (socket: Socket) =>
      server.emit('clientError', Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
    const send = async (url: string, method = 'PUT') => {
      const connected = once(server, 'connection');
      const call = httpRequest(url, { method, agent: false, headers: { 'content-length': '4', 'content-type': 'application/json' } });
      const answer = new Promise<number | string | undefined>((resolve) => {
        call.on('response', (response) => resolve(response.resume().statusCode));
        call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      });
      call.write('sl');
      return { call, answer, socket: (await connected)[0] as Socket };
    };
    const upload = await send(putUrl);
    for (let tries = 0; filesIn('unfinished').length === 0 && tries < 500; tries++) await new Promise((done) => setTimeout(done, 10));
    tooSlow(upload.socket);
    expect([upload.socket.destroyed, upload.socket.timeout]).toEqual([false, 60_000]);
    upload.call.end('ow');
    expect(await upload.answer).toBe(200);
    expect((await raw('GET', await locationOf(test.root.get(artifactAt(taskId, 'slow'))))).bytes.toString()).toBe('slow');
    // what stands still is hung up on, and others have a minute for all, as before
    const still = await send(putUrl);
    for (let tries = 0; filesIn('unfinished').length === 0 && tries < 500; tries++) await new Promise((done) => setTimeout(done, 10));
    still.socket.emit('timeout');
    expect(await still.answer).toBe('ECONNRESET');
    for (let tries = 0; filesIn('unfinished').length > 0 && tries < 500; tries++) await new Promise((done) => setTimeout(done, 10));
    expect(filesIn('unfinished')).toEqual([]);
    const other = await send(`${test.root.url}/api/auth/v1/scopes/expand`, 'POST');
    tooSlow(other.socket);
    expect(await other.answer).toBe(408);
  });

  it('of a file that a dead process left are removed after an hour, those of a living one are not', async () => {
    const { taskId, run } = await held();
    await uploaded(taskId, run, 'a', 'x');
    const [dead, alive] = ['dead', 'alive'].map((name) => path.join(directory(), 'unfinished', name)) as [string, string];
    for (const file of [dead, alive]) writeFileSync(file, 'x');
    utimesSync(dead, new Date(), new Date(Date.now() - 61 * 60_000));
    await test.service.app.get(DiskStore).removeAbandoned();
    expect([existsSync(dead), existsSync(alive)]).toEqual([false, true]);
    writeFileSync(alive, '');
    utimesSync(alive, new Date(), new Date(0));
    await test.service.app.get(DiskStore).removeAbandoned();
  });

  it('are sent in the range that was asked for', async () => {
    const { taskId, run } = await held();
    await uploaded(taskId, run, 'a', '0123456789');
    const url = await locationOf(test.root.get(artifactAt(taskId, 'a')));
    for (const [range, status, text, contentRange] of [
      ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
      ['bytes=8-', 206, '89', 'bytes 8-9/10'],
      ['bytes=8-100', 206, '89', 'bytes 8-9/10'],
      ['bytes=-3', 206, '789', 'bytes 7-9/10'],
      ['bytes=0-1,4-5', 200, '0123456789', null],
      ['lines=0-1', 200, '0123456789', null],
    ] as const) {
      const { headers, bytes, ...answer } = await raw('GET', url, { headers: { range } });
      expect([answer.status, bytes.toString(), headers.get('content-range')]).toEqual([status, text, contentRange]);
      expect(headers.get('content-length')).toBe(String(text.length));
    }
    for (const range of ['bytes=10-', 'bytes=-0', 'bytes=999999999999999-']) {
      const { status, headers } = await raw('GET', url, { headers: { range } });
      expect([status, headers.get('content-range')]).toEqual([416, 'bytes */10']);
    }
    const head = await raw('HEAD', url);
    expect([head.status, head.bytes.length, head.headers.get('content-length')]).toEqual([200, 0, '10']);
    for (const range of ['bytes=2-4', 'bytes=99-']) {
      const whole = await raw('HEAD', url, { headers: { range } }); // a range is for GET
      expect([whole.status, whole.headers.get('content-length'), whole.headers.get('content-range')]).toEqual([200, '10', null]);
    }
  });

  it('are sent in a range to who resumes only while they are those it began with', async () => {
    const { taskId, run } = await held();
    const putUrl = await uploaded(taskId, run, 'a', '0123456789');
    const url = await locationOf(test.root.get(artifactAt(taskId, 'a')));
    const etag = (await raw('GET', url)).headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]+"$/);
    expect((await raw('HEAD', url)).headers.get('etag')).toBe(etag);
    const resumed = async (condition: string, range = 'bytes=2-4') => {
      const answer = await raw('GET', url, { headers: { range, 'if-range': condition } });
      return [answer.status, answer.bytes.toString()];
    };
    expect(await resumed(etag)).toEqual([206, '234']);
    for (const other of [`W/${etag}`, etag.slice(1, -1), '"stale"', '', new Date(Date.now() + 60_000).toUTCString()]) {
      expect([other, ...(await resumed(other))]).toEqual([other, 200, '0123456789']);
      expect([other, ...(await resumed(other, 'bytes=99-'))]).toEqual([other, 200, '0123456789']);
    }
    await put(putUrl, '0123456789');
    expect(await resumed(etag)).toEqual([200, '0123456789']); // the same bytes, but nobody has compared them
  });

  it.each([
    ['text/html', 'attachment'],
    ['image/svg+xml', 'attachment'],
    ['TEXT/HTML; charset=utf-8', 'attachment'],
    ['application/xhtml+xml', 'attachment'],
    ['text/javascript', 'attachment'],
    ['text/plain-but-not', 'attachment'],
    ['nonsense', 'attachment'],
    ['text/plain;,text/html', 'attachment'],
    ['image/png;, image/svg+xml', 'attachment'],
    ['text/plain', 'inline'],
    ['text/plain; charset=utf-8', 'inline'],
    ['image/png', 'inline'],
  ])('of type %s can do nothing in the name of this origin (%s)', async (contentType, disposition) => {
    const { taskId, run } = await held();
    await uploaded(taskId, run, 'a', '<script>alert(1)</script>', { contentType });
    const { headers } = await raw('GET', await locationOf(test.root.get(artifactAt(taskId, 'a'))));
    expect(headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(headers.get('content-security-policy')).not.toMatch(/allow-/);
    expect([headers.get('x-content-type-options'), headers.get('content-disposition')]).toEqual([
      'nosniff',
      `${disposition}; filename="a"`,
    ]);
    expect([headers.get('content-type'), headers.get('referrer-policy')]).toEqual([contentType, 'no-referrer']);
  });
});

describe('a signed URL', () => {
  let taskId: string;
  let putUrl: string;
  let getUrl: string;
  beforeAll(async () => {
    const { run, ...task } = await held();
    ({ taskId } = task);
    putUrl = await uploaded(taskId, run, 'a', 'kept');
    getUrl = await locationOf(test.root.get(artifactAt(taskId, 'a')));
  });
  const changed = (url: string, change: (url: URL) => void) => {
    const copy = new URL(url);
    change(copy);
    return copy.href;
  };
  const set = (name: string, value: string) => (url: URL) => url.searchParams.set(name, value);

  it.each([
    ['a name that is more than one', set('name', 'b"; filename="c')],
    ['two signatures', (url: URL) => url.searchParams.append('signature', 'A'.repeat(43))],
  ] as const)('with %s downloads nothing', async (_, change) => {
    expect((await raw('GET', changed(getUrl, change))).status).toBe(400);
  });

  it('is for its own method, and for its own path', async () => {
    const query = (url: string) => new URL(url).searchParams;
    const permit = `name=a&expires=${query(putUrl).get('expires')}&signature=${query(putUrl).get('signature')}`;
    expect((await raw('GET', `${putUrl.split('?')[0]}?${permit}`)).status).toBe(403);
    const asUpload = `${getUrl.replace(/&name=[^&]+/, '')}&size=100&type=${at('text/plain')}`;
    expect((await raw('PUT', asUpload, { body: 'forged' })).status).toBe(403);
    for (const blobId of ['..%2F..%2Fetc%2Fpasswd', 'x', '%00', `${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}%2F..`]) {
      expect((await raw('GET', getUrl.replace(/blobs\/[^?]+/, `blobs/${blobId}`))).status).toBe(400);
    }
  });

  it('ends when it says', async () => {
    const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 31 * 60_000);
    try {
      expect((await raw('GET', getUrl)).status).toBe(403);
      expect((await raw('PUT', putUrl, { body: 'still' })).status).toBe(200);
      now.mockReturnValue(Date.now() + 15 * 60_000);
      expect((await raw('PUT', putUrl, { body: 'late' })).status).toBe(403);
    } finally {
      now.mockRestore();
    }
    expect((await raw('GET', getUrl)).bytes.toString()).toBe('still');
  });

  it('changes nothing if the run ends while the bytes are on their way', async () => {
    const { taskId, run } = await held();
    const url = await uploaded(taskId, run, 'a', 'kept');
    const answer = new Promise((resolve, reject) => {
      const call = httpRequest(url, { method: 'PUT', headers: { 'content-length': '4' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      call.on('error', reject);
      call.write('la');
      const end = async () => {
        for (let tries = 0; filesIn('unfinished').length === 0 && tries < 500; tries++) await new Promise((done) => setTimeout(done, 10));
        await ok(run.post(`/queue/v1/task/${taskId}/runs/0/completed`));
        call.end('te');
      };
      end().catch(reject);
    });
    expect(await answer).toBe(409);
    expect((await raw('GET', await locationOf(test.root.get(artifactAt(taskId, 'a'))))).bytes.toString()).toBe('kept');
    expect(filesIn('unfinished')).toEqual([]);
  });
});

describe('a reference', () => {
  it('redirects to its URL, which may change, and tells the world', async () => {
    const { taskId, run } = await held();
    const expires = inHours(1);
    expect(await ok(run.post(artifactAt(taskId, 'public/live.log'), reference({ expires })))).toEqual({ storageType: 'reference' });
    expect(await locationOf(test.root.get(artifactAt(taskId, 'public/live.log')))).toBe('https://example.com/x');
    await ok(run.post(artifactAt(taskId, 'public/live.log'), reference({ url: 'http://10.0.0.1:1234/log?a=b' })));
    expect(await ok(test.root.get(contentAt(taskId, 'public/live.log')))).toEqual({
      storageType: 'reference',
      url: 'http://10.0.0.1:1234/log?a=b',
    });
    const [event] = await eventsOf(taskId);
    expect(event).toMatchObject({ state: 'running', run_id: 0, task_queue_id: 'test/queue' });
    expect(event.detail).toEqual({
      runId: 0,
      workerGroup: 'group',
      workerId: 'worker',
      artifact: { storageType: 'reference', name: 'public/live.log', contentType: 'text/plain', expires },
    });
  });

  it('may become a link, as live logs do, and nothing else', async () => {
    const { taskId, run } = await held();
    await ok(run.post(artifactAt(taskId, 'live.log'), reference()));
    await refused(run.post(artifactAt(taskId, 'live.log'), s3()), 409);
    expect(await ok(run.post(artifactAt(taskId, 'live.log'), link('backing.log')))).toEqual({ storageType: 'link' });
    await uploaded(taskId, run, 'backing.log', 'the log');
    expect((await raw('GET', await locationOf(test.root.get(artifactAt(taskId, 'live.log'))))).bytes.toString()).toBe('the log');
    await refused(run.post(artifactAt(taskId, 'live.log'), reference()), 409);
    await refused(run.post(artifactAt(taskId, 'live.log'), link('other.log')), 409);
    await ok(run.post(artifactAt(taskId, 'live.log'), link('backing.log')));
    expect((await rowOf(taskId, 'live.log')).content_type).toBe('text/plain');
  });

  it.each(['HTTPS://example.com', 'http://[::1]:80/x', 'https://a.example?q=https://b@c/#d@e', `http://a/${'a'.repeat(7999)}`])(
    'to %j is one',
    async (url) => {
      const { taskId, run } = await held();
      await ok(run.post(artifactAt(taskId, 'x'), reference({ url })));
      expect(await locationOf(test.root.get(artifactAt(taskId, 'x')))).toBe(url);
    },
  );

  it.each([
    'javascript:alert(1)',
    'file:///etc/passwd',
    '//example.com',
    'https://',
    'https://a b',
    'https://a\r\nSet-Cookie: x',
    'ftp://a',
    '',
    'https://exa\\mple.com/',
    'https://example.com\\@evil.example/',
    'https://example.com/\u0000',
    'https://example.com/\u007f',
    'https://user:password@example.com/',
    'https://example.com@evil.example/',
    'https://@example.com/',
    'https:///example.com',
    'http://?x',
    'http://#x',
    'https://%',
    'https://[::1',
    'https://example.com:99999/',
    `https://${'a'.repeat(301)}/`,
    `https://example.com/${'a'.repeat(8001)}`,
  ])('to %j is refused', async (url) => {
    const { taskId, run } = await held();
    await refused(run.post(artifactAt(taskId, 'x'), reference({ url })), 400);
  });
});

describe('a link', () => {
  it('wants the scope of each name on the way, and tells nothing of a name before that', async () => {
    const { taskId, run } = await held();
    await ok(run.post(artifactAt(taskId, 'public/a'), link('private/b')));
    await ok(run.post(artifactAt(taskId, 'private/b'), link('private/c')));
    await uploaded(taskId, run, 'private/c', 'secret');
    const answers = async (...scopes: string[]) => (await test.client(...scopes)).get(artifactAt(taskId, 'public/a'));
    await refused(answers('queue:get-artifact:public/*'), 403);
    await refused(answers('queue:get-artifact:private/*'), 403);
    await refused(answers('queue:get-artifact:public/*', 'queue:get-artifact:private/b'), 403);
    await refused(answers('queue:get-artifact:public/*', 'queue:get-artifact:private/c'), 403);
    expect((await answers('queue:get-artifact:public/*', 'queue:get-artifact:private/*')).status).toBe(303);
    await ok(run.post(artifactAt(taskId, 'public/dead'), link('private/none')));
    const reader = await test.client('queue:get-artifact:public/*');
    await refused(reader.get(artifactAt(taskId, 'public/dead')), 403);
    await refused(reader.get(contentAt(taskId, 'public/dead')), 403);
    await refused(test.root.get(artifactAt(taskId, 'public/dead')), 404);
  });

  it('that leads back, to itself or through too many is refused', async () => {
    const { taskId, run } = await held();
    await ok(run.post(artifactAt(taskId, 'self'), link('self')));
    await ok(run.post(artifactAt(taskId, 'a'), link('b')));
    await ok(run.post(artifactAt(taskId, 'b'), link('a')));
    for (let index = 0; index < 12; index++) await ok(run.post(artifactAt(taskId, `n${index}`), link(`n${index + 1}`)));
    await uploaded(taskId, run, 'n12', 'x');
    for (const name of ['self', 'a', 'b']) {
      expect(await refused(test.root.get(artifactAt(taskId, name)), 400)).toContain('leads back');
      await refused(test.root.get(contentAt(taskId, name)), 400);
    }
    expect(await refused(test.root.get(artifactAt(taskId, 'n0')), 400)).toContain('more than 10 links');
    expect((await test.root.get(artifactAt(taskId, 'n2'))).status).toBe(303);
  });
});

it('no text that is kept holds a NUL or half a character, for which Postgres has no place', async () => {
  const { taskId, run } = await held();
  for (const bad of ['\u0000', 'a\u0000b', '\ud800']) {
    for (const body of [
      failure({ message: bad }),
      failure({ reason: bad }),
      reference({ url: `https://example.com/${bad}` }),
      reference({ contentType: bad }),
      link(bad),
      s3({ contentType: bad }),
      s3({ storageType: bad }),
    ]) {
      await refused(run.post(artifactAt(taskId, 'x'), body), 400);
    }
    await refused(run.put(artifactAt(taskId, 'x'), { uploadId: bad }), 400);
  }
  await ok(run.post(artifactAt(taskId, 'x'), failure({ message: '\u0001 \\u0000 \uffff é 😀' })));
  expect((await ok(test.root.get(contentAt(taskId, 'x')))).message).toBe('\u0001 \\u0000 \uffff é 😀');
});

it('an error is told to the world, in words that are known and not too many', async () => {
  const { taskId, run } = await held();
  expect(await ok(run.post(artifactAt(taskId, 'core'), failure()))).toEqual({ storageType: 'error' });
  expect(await eventsOf(taskId)).toHaveLength(1);
  await refused(run.post(artifactAt(taskId, 'core'), failure({ message: 'another' })), 409);
  await refused(run.post(artifactAt(taskId, 'other'), failure({ message: 'x'.repeat(4097) })), 400);
  await refused(run.post(artifactAt(taskId, 'other'), failure({ reason: 'because' })), 400);
});

describe('createArtifact', () => {
  it('refuses bodies of no storage type, or with fields of another', async () => {
    const { taskId, run } = await held();
    for (const body of [
      { storageType: 'constructor', expires: inHours(1) },
      { storageType: ['s3'], expires: inHours(1) },
      s3({ expires: 'soon' }),
      s3({ contentType: 'x'.repeat(256) }),
      s3({ contentType: 'text/plain\r\nx-evil: 1' }),
      s3({ contentType: 'é' }),
      s3({ contentLength: -1 }),
      s3({ contentLength: 1.5 }),
      s3({ url: 'https://example.com' }),
      link('x'.repeat(1025)),
      link(''),
      link('é'),
      failure({ contentType: 'text/plain' }),
    ]) {
      await refused(run.post(artifactAt(taskId, 'x'), body), 400);
    }
    expect((await ok(test.root.get(artifactsOf(taskId)))).artifacts).toEqual([]);
  });

  it('may expire with its task, and as long ago as clocks may be wrong', async () => {
    const { taskId, run } = await held({ expires: inHours(3) });
    await refused(run.post(artifactAt(taskId, 'x'), s3({ expires: inHours(-0.3) })), 400);
    await refused(run.post(artifactAt(taskId, 'x'), s3({ expires: inHours(3.1) })), 400);
    const { expires } = await tasks.status(taskId);
    await ok(run.post(artifactAt(taskId, 'x'), s3({ expires })));
    await ok(run.post(artifactAt(taskId, 'late'), s3({ expires: inHours(-0.2) })));
  });

  it('wants the scope before it says anything of the task', async () => {
    const { taskId, run } = await held();
    const other = await held();
    for (const api of [test.root.as(), other.run, await test.client(`queue:create-artifact:${taskId}/1`, 'queue:get-artifact:*')]) {
      await refused(api.post(artifactAt(taskId, 'x'), s3()), 403);
      await refused(api.post(artifactAt('AAAAAAAAQAyAAAAAAAAAAA', 'x'), s3()), 403);
      await refused(api.put(artifactAt(taskId, 'x'), { uploadId: 'AAAAAAAAQAyAAAAAAAAAAA' }), 403);
    }
    await ok((await test.client(`queue:create-artifact:${taskId}/0`)).post(artifactAt(taskId, 'x'), s3()));
    await ok(run.post(artifactAt(taskId, 'x'), s3(), { authorizedScopes: [`queue:create-artifact:${taskId}/0`] }));
    await refused(run.post(artifactAt(taskId, 'x'), s3(), { authorizedScopes: [`queue:resolve-task:${taskId}/0`] }), 403);
  });

  it('takes the same again, a later expiry, and nothing else', async () => {
    const { taskId, run } = await held();
    const expires = inHours(2);
    for (const [body, changes] of [
      [s3({ expires }), [{ contentType: 'text/html' }, { expires: inHours(1) }]],
      [object({ expires }), [{ contentType: 'text/html' }, { expires: inHours(1) }]],
      [reference({ expires }), [{ contentType: 'text/html' }, { expires: inHours(1) }]],
      [link('x', { expires }), [{ artifact: 'y' }, { expires: inHours(1) }]],
      [failure({ expires }), [{ reason: 'too-large-file-on-worker' }, { expires: inHours(1) }]],
    ] as const) {
      const name = `again/${body.storageType}`;
      const first = await ok(run.post(artifactAt(taskId, name), body));
      const second = await ok(run.post(artifactAt(taskId, name), body));
      expect(second.uploadId).toBe(first.uploadId);
      expect(second.putUrl?.split('?')[0]).toBe(first.putUrl?.split('?')[0]);
      for (const change of changes) await refused(run.post(artifactAt(taskId, name), { ...body, ...change }), 409);
      for (const storageType of ['s3', 'object', 'reference', 'error'] as const) {
        const other = { s3, object, reference, error: failure }[storageType]({ expires });
        if (storageType !== body.storageType) await refused(run.post(artifactAt(taskId, name), other), 409);
      }
      const later = inHours(3);
      await ok(run.post(artifactAt(taskId, name), { ...body, expires: later }));
      expect((await rowOf(taskId, name)).expires.toISOString()).toBe(later);
    }
  });

  it('lets a run of an exception leave artifacts for 25 minutes, others none', async () => {
    for (const [outcome, status] of [
      ['completed', 409],
      ['failed', 409],
      ['malformed-payload', 200],
      ['worker-shutdown', 200], // which is run 0 of a task that has gone on
    ] as const) {
      const { taskId, run } = await held();
      await ok(tasks.report(outcome, taskId));
      const answer = await run.post(artifactAt(taskId, 'x'), s3());
      expect([outcome, answer.status]).toEqual([outcome, status]);
      if (status === 409) expect(answer.body.message).toContain(`is ${outcome}; it takes no more artifacts`);
    }
    const { taskId, run } = await held();
    await ok(tasks.steer('cancel', taskId));
    const putUrl = await uploaded(taskId, run, 'why', 'canceled');
    await tasks.alter(taskId, `resolved = now() - interval '26 minutes'`);
    expect(await refused(run.post(artifactAt(taskId, 'x'), s3()), 409)).toContain('exception (canceled)');
    expect((await raw('PUT', putUrl, { body: 'late' })).status).toBe(409);
    await refused(test.root.post(artifactAt(taskId, 'x'), s3()), 409);
  });

  it('treats a lapsed lease as the exception that it will be', async () => {
    const { taskId, run } = await held();
    await tasks.lapse(taskId);
    await ok(run.post(artifactAt(taskId, 'x'), s3()));
  });

  it('names the run of the artifact in the event, not that of the task', async () => {
    const { taskId, run } = await held();
    await ok(tasks.report('worker-shutdown', taskId));
    await ok(tasks.claimTask(taskId, 1, { workerGroup: 'group', workerId: 'second' }));
    await ok(run.post(artifactAt(taskId, 'x'), reference()));
    const [event] = await eventsOf(taskId);
    expect([event.run_id, event.worker_id, event.detail.runId, event.detail.workerId]).toEqual([1, 'second', 0, 'worker']);
    await refused(test.root.get(artifactAt(taskId, 'x', 1)), 404);
    await refused(test.root.get(`/queue/v1/task/${taskId}/artifacts/x`), 404);
  });
});

describe('names', () => {
  it.each([
    '../../etc/passwd',
    'public/../x',
    '/etc/passwd',
    'a//b',
    'trailing/',
    '.',
    '..',
    'a b',
    'per%cent',
    '%2F',
    'a?b#c&d=e',
    `'"\\<>|:*`,
    'ends-in-*',
    'constructor',
    '~'.repeat(1024),
  ])('%s is a name like another, and never one of a file', async (name) => {
    const { taskId, run } = await held();
    const before = filesIn('blobs').length;
    await uploaded(taskId, run, name, name);
    expect(filesIn('blobs')).toHaveLength(before + 1);
    for (const file of filesIn('blobs'))
      expect(path.relative(path.join(directory(), 'blobs'), file)).toMatch(/^[0-9a-f]{2}\/[0-9a-f-]{36}$/);
    expect((await ok(test.root.get(artifactsOf(taskId)))).artifacts[0].name).toBe(name);
    expect((await raw('GET', await locationOf(test.root.get(artifactAt(taskId, name))))).bytes.toString()).toBe(name);
  });

  it.each(['~'.repeat(1025), 'é', '\u0000', 'a\nb', 'a\u007fb', '😀'])('%j is refused', async (name) => {
    const { taskId, run } = await held();
    await refused(run.post(artifactAt(taskId, name), s3()), 400);
    await refused(test.root.get(artifactAt(taskId, name)), 400);
    await refused(test.root.get(contentAt(taskId, name)), 400);
    await refused(test.root.get(`/queue/v1/task/${taskId}/artifact-info/${at(name)}`), 400);
  });

  it('may have literal slashes, too', async () => {
    const { taskId, run } = await held();
    await uploaded(taskId, run, 'public/logs/a.log', 'x');
    await test.client(); // anonymous callers may do nothing, so these are refused by name
    for (const part of [
      'artifacts',
      'artifact-content',
      'artifact-info',
      'runs/0/artifacts',
      'runs/0/artifact-content',
      'runs/0/artifact-info',
    ]) {
      const answer = await fetch(`${test.root.url}/api/queue/v1/task/${taskId}/${part}/public/logs/a.log/`);
      const body = (await answer.json()) as { requestInfo: { params: { name: string } } };
      expect([answer.status, body.requestInfo.params.name]).toEqual([403, 'public/logs/a.log']);
    }
    const literal = `/api/queue/v1/task/${taskId}/artifacts/public/logs/a.log`;
    const { signature } = { signature: test.root.get(literal.replace('/api', '').replace('public/logs/', 'public%2Flogs%2F')) };
    expect((await signature).status).toBe(303);
    for (const part of ['upload', 'finish-upload', 'start-download', 'download']) {
      const method = { upload: 'PUT', 'finish-upload': 'POST', 'start-download': 'PUT', download: 'GET' }[part] ?? '';
      const answer = await fetch(`${test.root.url}/api/object/v1/${part}/t/${taskId}/0/a/b`, { method });
      const body = (await answer.json()) as { requestInfo: { params: { name: string } } };
      expect([part, body.requestInfo.params.name]).toEqual([part, `t/${taskId}/0/a/b`]);
    }
  });
});

describe('reading', () => {
  it('by a URL goes on until its own end, though the artifact has expired', async () => {
    const { taskId, run } = await held();
    await uploaded(taskId, run, 'a', 'x');
    const url = await locationOf(test.root.get(artifactAt(taskId, 'a')));
    await alter(taskId, `expires = now() - interval '1 s'`);
    await refused(test.root.get(artifactAt(taskId, 'a')), 410);
    expect((await raw('GET', url)).status).toBe(200); // its bytes are there for half an hour
  });
});

describe('expiry', () => {
  const sweep = async () => (await test.service.app.get(ArtifactExpiry).sweep()).gone;

  it('removes bytes and rows half an hour after the end, by whichever replica comes first', async () => {
    const { taskId, run } = await held();
    for (const name of ['a', 'b', 'c']) await uploaded(taskId, run, name, 'x');
    await ok(run.post(artifactAt(taskId, 'never'), s3()));
    await ok(run.post(artifactAt(taskId, 'r'), reference()));
    const kept = filesIn('blobs').length - 3;
    await alter(taskId, `expires = now() - interval '29 minutes'`);
    expect([await sweep(), filesIn('blobs').length]).toEqual([0, kept + 3]);
    await alter(taskId, `expires = now() - interval '31 minutes'`);
    const gone = await Promise.all([sweep(), sweep(), sweep()]);
    expect(gone.reduce((sum, one) => sum + one)).toBe(5);
    expect(filesIn('blobs')).toHaveLength(kept);
    expect((await ok(test.root.get(artifactsOf(taskId)))).artifacts).toEqual([]);
  });

  it('keeps the row while its bytes cannot be deleted, and is not held up by it', async () => {
    const { taskId, run } = await held();
    for (const name of ['stuck', 'free']) await uploaded(taskId, run, name, 'x');
    await alter(taskId, `expires = now() - interval '31 minutes'`);
    await test.database.pool.query(`update artifact set store = 's3' where task_id = $1 and name = 'stuck'`, [taskId]); // no longer configured
    expect(await sweep()).toBe(1);
    expect([await rowOf(taskId, 'free'), (await rowOf(taskId, 'stuck')).swept]).toEqual([undefined, expect.any(Date)]);
    await test.database.pool.query(`update artifact set store = 'disk' where task_id = $1`, [taskId]);
    expect(await sweep()).toBe(0);
    await refused(run.post(artifactAt(taskId, 'stuck'), s3()), 409); // on its way out, not to be revived
    await alter(taskId, `swept = now() - interval '11 minutes'`);
    expect([await sweep(), await rowOf(taskId, 'stuck')]).toEqual([1, undefined]);
  });

  it('of a task waits for its artifacts, so that nobody inherits them and no byte is forgotten', async () => {
    const { taskId, run } = await held();
    await uploaded(taskId, run, 'a', 'x');
    await ok(run.post(`/queue/v1/task/${taskId}/runs/0/completed`));
    await test.database.pool.query(`update task_definition set expires = now() - interval '31 minutes' where task_id = $1`, [taskId]);
    await tasks.alter(taskId, `expires = now() - interval '31 minutes', taken_until = now() - interval '1 day'`);
    await test.service.app.get(SweepService).expire();
    await ok(test.root.get(artifactsOf(taskId)));
    await alter(taskId, `expires = now() - interval '31 minutes'`);
    await sweep();
    await test.service.app.get(SweepService).expire();
    await refused(test.root.get(artifactsOf(taskId)), 404);
  });
});

describe('an object', () => {
  const sha = (algorithm: string, bytes: Buffer | string) => createHash(algorithm).update(bytes).digest('hex');
  const hashesOf = (bytes: Buffer | string) => ({ sha256: sha('sha256', bytes), sha512: sha('sha512', bytes) });

  interface Created {
    taskId: string;
    run: Api;
    created: { name: string; projectId: string; uploadId: string; expires: string; credentials: Required<Api>['credentials'] };
    uploader: Api;
    upload: string;
    finish: string;
    terms: { projectId: string; uploadId: string };
  }

  async function announced(name = 'public/object', more: object = {}): Promise<Created> {
    const { taskId, run } = await held({ projectId: 'some/project' });
    const created = await ok(run.post(artifactAt(taskId, name), object(more)));
    const { projectId, uploadId } = created;
    return {
      taskId,
      run,
      created,
      uploader: test.root.as(created.credentials),
      upload: `/api/object/v1/upload/${at(created.name)}`,
      finish: `/api/object/v1/finish-upload/${at(created.name)}`,
      terms: { projectId, uploadId },
    };
  }

  const proposing = ({ terms, created }: Created, proposedUploadMethods: object) => ({
    ...terms,
    expires: created.expires,
    proposedUploadMethods,
  });
  const inline = (bytes: string) => ({ dataInline: { contentType: 'text/plain', objectData: Buffer.from(bytes).toString('base64') } });
  const byUrl = (contentLength: number) => ({ putUrl: { contentType: 'text/plain', contentLength } });

  async function finished(name: string, bytes: string): Promise<Created> {
    const one = await announced(name);
    await ok(one.uploader.put(one.upload, proposing(one, inline(bytes))));
    await ok(one.uploader.post(one.finish, { ...one.terms, hashes: hashesOf(bytes) }));
    expect((await one.run.put(artifactAt(one.taskId, name), { uploadId: one.created.uploadId })).status).toBe(204);
    return one;
  }

  it('is uploaded with credentials of its own, shown when it is finished, and downloaded with others', async () => {
    const one = await announced();
    const { taskId, run, created, uploader } = one;
    expect(created).toMatchObject({ storageType: 'object', name: `t/${taskId}/0/public/object`, projectId: 'some/project' });
    expect(created.credentials?.clientId).toBe(`artifact-upload/${taskId}/0/on/group/worker`);
    const { uploadMethod, ...rest } = await ok(uploader.put(one.upload, proposing(one, byUrl(5))));
    expect(rest).toEqual({ projectId: 'some/project', uploadId: created.uploadId, expires: created.expires });
    expect(uploadMethod.putUrl.headers).toEqual({ 'Content-Type': 'text/plain', 'Content-Length': '5' });
    await put(uploadMethod.putUrl.url, 'hello', { 'content-type': 'text/plain' });
    await refused(run.put(artifactAt(taskId, 'public/object'), { uploadId: created.uploadId }), 400);
    expect(await ok(uploader.post(one.finish, { ...one.terms, hashes: hashesOf('hello') }))).toEqual({});
    await ok(uploader.post(one.finish, one.terms));
    expect(await eventsOf(taskId)).toEqual([]);
    await refused(test.root.get(contentAt(taskId, 'public/object')), 404);
    for (let times = 0; times < 2; times++) {
      expect((await run.put(artifactAt(taskId, 'public/object'), { uploadId: created.uploadId })).status).toBe(204);
    }
    const events = await eventsOf(taskId);
    expect(events.map(({ detail }) => detail.artifact.storageType)).toEqual(['object']);
    const content = await ok((await test.client('queue:get-artifact:public/*')).get(contentAt(taskId, 'public/object')));
    expect(content).toEqual({ storageType: 'object', name: created.name, credentials: expect.anything() });
    const downloader = test.root.as(content.credentials);
    const start = `/api/object/v1/start-download/${at(created.name)}`;
    const got = await ok(downloader.put(start, { acceptDownloadMethods: { getUrl: true, simple: true } }));
    expect(got).toMatchObject({ method: 'getUrl', hashes: hashesOf('hello') });
    const simple = await ok(downloader.put(start, { acceptDownloadMethods: { simple: true } }));
    expect(simple).toEqual({ method: 'simple', url: expect.any(String) });
    const redirect = await downloader.get(`/api/object/v1/download/${at(created.name)}`);
    for (const url of [
      got.url,
      simple.url,
      redirect.headers.location ?? '',
      await locationOf(test.root.get(artifactAt(taskId, 'public/object'))),
    ]) {
      expect((await raw('GET', url)).bytes.toString()).toBe('hello');
    }
    await refused(downloader.put(start, { acceptDownloadMethods: {} }), 406);
    await refused(downloader.put(start, {}), 400);
    expect((await ok(test.root.get(artifactsOf(taskId)))).artifacts[0]).toMatchObject({ storageType: 'object', contentLength: 5 });
  });

  it('stays as it is once it is complete', async () => {
    const one = await announced();
    const { uploadMethod } = await ok(one.uploader.put(one.upload, proposing(one, byUrl(3))));
    await put(uploadMethod.putUrl.url, 'one');
    await put(uploadMethod.putUrl.url, 'two');
    await ok(one.uploader.post(one.finish, one.terms));
    expect((await raw('PUT', uploadMethod.putUrl.url, { body: 'six' })).status).toBe(409);
    await refused(one.uploader.put(one.upload, proposing(one, inline('x'))), 409);
    const again = await ok(one.run.post(artifactAt(one.taskId, 'public/object'), object()));
    expect(again.uploadId).toBe(one.created.uploadId);
  });

  it('is not complete with other bytes than those that were meant', async () => {
    const one = await announced();
    const { uploadMethod } = await ok(one.uploader.put(one.upload, proposing(one, byUrl(5))));
    await put(uploadMethod.putUrl.url, 'hullo');
    const finish = (hashes: object) => one.uploader.post(one.finish, { ...one.terms, hashes });
    expect(await refused(finish({ sha512: sha('sha512', 'hello') }), 400)).toContain('another sha512');
    for (const sha256 of ['x', sha('sha256', 'hullo').toUpperCase(), 1]) await refused(finish({ sha256 }), 400);
    await refused(finish({ md5: 'x' }), 400);
    await ok(finish(hashesOf('hullo')));
    await refused(one.uploader.put(one.upload, proposing(one, { dataInline: { contentType: 'a', objectData: '!' } })), 409);
  });

  it.each([
    ['too much inline', { dataInline: { contentType: 'a', objectData: 'A'.repeat(65_540) } }, 400],
    ['too long a length', { putUrl: { contentType: 'a', contentLength: MOST + 1 } }, 413],
    ['no length', { putUrl: { contentType: 'a' } }, 400],
    ['another method', { ftp: {} }, 400],
  ])('is not begun with %s', async (_, methods, status) => {
    const one = await announced();
    await refused(one.uploader.put(one.upload, proposing(one, methods)), status);
  });

  it.each(['A', 'AA', 'AAA', 'AB==', 'AAB=', '====', '=', 'AAAA=', 'AA==AA==', 'AA-_', ' AAAA', 'AAAA\n', 'AAA\u0000', 'é'])(
    'takes no bytes that are not base64 to the letter: %j',
    async (objectData) => {
      const one = await announced();
      const refusal = await refused(one.uploader.put(one.upload, proposing(one, { dataInline: { contentType: 'a', objectData } })), 400);
      expect(refusal).toContain('objectData');
      await refused(one.uploader.post(one.finish, one.terms), 400); // nothing was uploaded
    },
  );

  it.each(['', 'AA==', 'AAE=', 'AAEC', '+/+/'])('takes bytes in base64: %j', async (objectData) => {
    const one = await announced();
    await ok(one.uploader.put(one.upload, proposing(one, { dataInline: { contentType: 'a', objectData } })));
    await ok(one.uploader.post(one.finish, { ...one.terms, hashes: hashesOf(Buffer.from(objectData, 'base64')) }));
  });

  it('is made by createArtifact, and nothing else is one', async () => {
    const one = await announced();
    const good = proposing(one, inline('x'));
    await ok(one.run.post(artifactAt(one.taskId, 's3'), s3()));
    for (const name of [
      `t/${one.taskId}/0/s3`,
      `t/${one.taskId}/0/none`,
      `t/${one.taskId}/9999/public/object`,
      'other/object',
      't/x/0/y',
    ]) {
      await refused(test.root.put(`/api/object/v1/upload/${at(name)}`, good), 404);
      await refused(test.root.put(`/api/object/v1/start-download/${at(name)}`, { acceptDownloadMethods: { simple: true } }), 404);
      await refused(test.root.get(`/api/object/v1/download/${at(name)}`), 404);
    }
  });

  it('has credentials that are good for nothing else', async () => {
    const [one, other] = [await finished('a', 'x'), await announced('a*')];
    const good = proposing(other, inline('x'));
    for (const api of [
      test.root.as(),
      one.uploader,
      one.run,
      other.run,
      await test.client('object:upload:some/project:t/', 'object:download:x'),
    ]) {
      await refused(api.put(other.upload, good), 403);
      await refused(api.post(other.finish, other.terms), 403);
      await refused(api.put(`/api/object/v1/start-download/${at(one.created.name)}`, { acceptDownloadMethods: { simple: true } }), 403);
      await refused(api.get(`/api/object/v1/download/${at(one.created.name)}`), 403);
    }
    const { credentials } = await ok(test.root.get(contentAt(one.taskId, 'a')));
    for (const api of [test.root.as(credentials), one.uploader]) {
      await refused(api.get(artifactAt(one.taskId, 'a')), 403);
      await refused(api.post(artifactAt(one.taskId, 'b'), s3()), 403);
      await refused(api.get(`/queue/v1/task/${one.taskId}/status`), 403);
      await refused(api.post(`/queue/v1/task/${one.taskId}/runs/0/completed`), 403);
      await refused(api.put(`/auth/v1/clients/x`, { expires: inHours(1), description: '' }), 403);
    }
    const forged = { ...credentials, clientId: other.created.credentials?.clientId ?? '' };
    await refused(test.root.as(forged).get(`/api/object/v1/download/${at(one.created.name)}`), 401);
    await ok(other.uploader.put(other.upload, good));
    // `a*` is a name, no pattern
    const begun = await ok(one.run.post(artifactAt(one.taskId, 'ab'), object()));
    const starred = await ok(one.run.post(artifactAt(one.taskId, 'a*'), object()));
    const terms = { projectId: begun.projectId, uploadId: begun.uploadId, expires: begun.expires };
    await refused(test.root.as(starred.credentials).put(`/api/object/v1/upload/${at(begun.name)}`, terms), 403);
    await ok(test.root.as(begun.credentials).put(`/api/object/v1/upload/${at(begun.name)}`, terms));
  });

  it.each(['with space', `'"\\`, 'star*', ' ', 'x'.repeat(1024), '~%2F?#'])('may be called %j', async (name) => {
    const one = await finished(name, 'named');
    const { credentials } = await ok(test.root.get(contentAt(one.taskId, name)));
    const { headers } = await test.root.as(credentials).get(`/api/object/v1/download/${at(one.created.name)}`);
    expect((await raw('GET', headers.location ?? '')).bytes.toString()).toBe('named');
  });
});

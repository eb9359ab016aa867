import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import S3rver from 's3rver';
import { createLeaseholdClient } from '../src/client/client.js';
import { collectArtifacts } from '../src/worker/artifacts/collect-artifacts.js';
import { LiveLog } from '../src/worker/artifacts/live-log.js';
import { LiveLogServer } from '../src/worker/artifacts/live-log-server.js';
import { openBeneath } from '../src/worker/artifacts/open-beneath.js';
import { Redactor } from '../src/worker/artifacts/redactor.js';
import { RunArtifacts, type RunArtifactsOptions } from '../src/worker/artifacts/run-artifacts.js';
import { walkBeneath } from '../src/worker/artifacts/walk-beneath.js';
import type { WantedArtifact } from '../src/worker/payload/payload.js';
import type { Credentials } from './support/api.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* What a run leaves behind: from workspaces in which anything may be, to a queue that may be away for a moment, and a log seen while it grows. */

const MOST = 3_000_000;
const TEXT = 'text/plain; charset=utf-8';

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-worker-artifacts-'));
let places = 0;
/** A path that nothing is at. */
const place = () => path.join(directory, `place-${places++}`);
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');
/** How many files are open whose paths begin so. */
const openFiles = (under = directory) =>
  readdirSync('/proc/self/fd').filter((file) => {
    try {
      return readlinkSync(`/proc/self/fd/${file}`).startsWith(under);
    } catch {
      return false; // the directory that is being read
    }
  }).length;

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  const overrides = { sweepInterval: 600, claimPoll: 0, artifactMaxSize: MOST, anonymousScopes: ['queue:get-artifact:public/*'] };
  test = await startTestService(overrides);
  tasks = new Tasks(test.root, test.database);
});
afterAll(async () => {
  await test.close();
  rmSync(directory, { recursive: true });
});

interface Held {
  taskId: string;
  put: RunArtifacts;
  credentials: Credentials;
}

/** A claimed run, whose artifacts are put with its credentials. */
async function held(
  options: Partial<RunArtifactsOptions> & { credentialsOf?: (good: Credentials) => Credentials } = {},
  rootUrl = test.root.url,
): Promise<Held> {
  const taskId = await tasks.create();
  const { credentials } = await ok(tasks.claimTask(taskId));
  const { expires } = (await ok(test.root.get(`/queue/v1/task/${taskId}`))) as { expires: string };
  const { credentialsOf = (good: Credentials) => good, ...more } = options;
  const client = createLeaseholdClient({ rootUrl, credentials: () => credentialsOf(credentials) });
  return { taskId, credentials, put: new RunArtifacts({ client, taskId, runId: 0, expires, mostBytes: MOST, pauses: [1, 1], ...more }) };
}

const urlOf = (taskId: string, name: string) => `${test.root.url}/api/queue/v1/task/${taskId}/runs/0/artifacts/${encodeURIComponent(name)}`;
/** As anybody gets it, by the redirects. */
const download = (taskId: string, name: string) => fetch(urlOf(taskId, name));
const bytesOf = async (taskId: string, name: string) => Buffer.from(await (await download(taskId, name)).arrayBuffer());
const listed = async (taskId: string) =>
  (await ok(test.root.get(`/queue/v1/task/${taskId}/runs/0/artifacts`))).artifacts as { name: string }[];

describe('artifacts of a run', () => {
  it('are files, references, links and errors, and may be put again', async () => {
    const { taskId, put } = await held();
    const [bytes, file] = [randomBytes(700_000), place()];
    writeFileSync(file, bytes);
    for (let round = 0; round < 2; round++) {
      expect(await put.putFile('public/a b', { file, contentType: TEXT })).toEqual({ sha256: sha256(bytes), bytes: bytes.length });
      await put.putLink('public/link', 'public/a b', { contentType: TEXT });
      await put.putError('public/error', 'file-missing-on-worker', 'nothing\u0000\ud800 there');
      await put.putReference('public/reference', { url: 'http://127.0.0.1:1/x', contentType: TEXT });
    }
    expect((await bytesOf(taskId, 'public/a b')).equals(bytes)).toBe(true);
    const answer = await download(taskId, 'public/link');
    expect([answer.headers.get('content-type'), sha256(Buffer.from(await answer.arrayBuffer()))]).toEqual([TEXT, sha256(bytes)]);
    const error = await download(taskId, 'public/error');
    expect([error.status, await error.json()]).toMatchObject([424, { message: 'nothing\ufffd\ufffd there' }]);
    expect((await fetch(urlOf(taskId, 'public/reference'), { redirect: 'manual' })).headers.get('location')).toBe('http://127.0.0.1:1/x');
  });

  it('are read from the beginning of an open file, which stays open, and may be empty', async () => {
    const { taskId, put } = await held();
    const empty = place();
    writeFileSync(empty, '');
    const file = openSync(empty, 'r');
    expect(await put.putFile('public/empty', { file, contentType: TEXT })).toEqual({ sha256: sha256(''), bytes: 0 });
    appendFileSync(empty, 'more');
    expect(await put.putFile('public/empty', { file, contentType: TEXT })).toEqual({ sha256: sha256('more'), bytes: 4 });
    expect(await put.putFile('public/empty', { file, contentType: TEXT })).toEqual({ sha256: sha256('more'), bytes: 4 });
    closeSync(file);
    expect((await bytesOf(taskId, 'public/empty')).toString()).toBe('more');
  });

  it('that are there as something else are a conflict, at once', async () => {
    const { put } = await held({ pauses: [1e9] });
    const file = place();
    writeFileSync(file, 'x');
    await put.putError('public/x', 'file-missing-on-worker', 'gone');
    await expect(put.putFile('public/x', { file, contentType: TEXT })).rejects.toMatchObject({ code: 'conflict' });
    await expect(put.putFile('é', { file, contentType: TEXT })).rejects.toMatchObject({ code: 'refused' });
  });

  it('that are too large are errors, and nothing of them is sent', async () => {
    const { taskId, put } = await held();
    const file = place();
    writeFileSync(file, '');
    truncateSync(file, MOST + 1);
    const large = put.putFile('public/large', { file, contentType: TEXT });
    await expect(large).rejects.toMatchObject({ reason: 'too-large-file-on-worker' });
    expect([(await download(taskId, 'public/large')).status, await listed(taskId)]).toMatchObject([424, [{ storageType: 'error' }]]);
    const other = await held({ mostBytes: 1e9, pauses: [1e9] });
    await expect(other.put.putFile('x', { file, contentType: TEXT })).rejects.toMatchObject({ code: 'too-large' });
  });

  it('50: may be left after the task was cancelled, as its log', async () => {
    const { taskId, put } = await held();
    await ok(tasks.steer('cancel', taskId));
    const file = place();
    writeFileSync(file, 'until then');
    await put.putFile('public/logs/live_backing.log', { file, contentType: TEXT });
    expect((await bytesOf(taskId, 'public/logs/live_backing.log')).toString()).toBe('until then');
  });

  it('are put with the credentials of the moment: those that have ended are replaced meanwhile', async () => {
    let asked = 0;
    const ended = (good: Credentials) => (asked++ === 0 ? { ...good, accessToken: 'a'.repeat(44) } : good);
    const { taskId, put } = await held({ credentialsOf: ended });
    const file = place();
    writeFileSync(file, 'x');
    await put.putFile('public/x', { file, contentType: TEXT });
    expect([asked, (await bytesOf(taskId, 'public/x')).toString()]).toEqual([2, 'x']);
    const never = await held({ credentialsOf: (good) => ({ ...good, accessToken: 'a'.repeat(44) }) });
    await expect(never.put.putFile('public/x', { file, contentType: TEXT })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

it('files go to a bucket, too, where the queue keeps them there', async () => {
  const s3 = { bucket: 'some-bucket', region: 'us-east-1', accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  const bucket = new S3rver({ address: '127.0.0.1', port: 0, silent: true, directory: place(), configureBuckets: [{ name: s3.bucket }] });
  const replica = await test.replica({ s3: { ...s3, endpoint: `http://127.0.0.1:${(await bucket.run()).port}` } });
  const { taskId, put } = await held({}, replica.root.url);
  for (const bytes of [randomBytes(700_000), Buffer.alloc(0)]) {
    const [file, name] = [place(), `public/${bytes.length}`];
    writeFileSync(file, bytes);
    expect(await put.putFile(name, { file, contentType: TEXT })).toEqual({ sha256: sha256(bytes), bytes: bytes.length });
    const answer = await fetch(urlOf(taskId, name).replace(test.root.url, replica.root.url));
    expect([answer.url.includes('some-bucket'), sha256(Buffer.from(await answer.arrayBuffer()))]).toEqual([true, sha256(bytes)]);
  }
  await replica.close();
  await bucket.close();
});

describe('a queue that fails', () => {
  let server: Server;
  let answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
  const seen: string[] = [];
  const status = (code: number) => (request: IncomingMessage, response: ServerResponse) =>
    void request.resume().on('end', () => response.writeHead(code, { 'content-type': 'text/html' }).end('<p>no</p>'));
  const hangUp = (request: IncomingMessage) => void request.socket.destroy();
  const created = (request: IncomingMessage, response: ServerResponse) => {
    const putUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bytes?signature=of-the-url`;
    request.resume().on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ storageType: 's3', putUrl, contentType: TEXT, expires: new Date().toISOString() }));
    });
  };
  let received = '';
  const taken = async (request: IncomingMessage, response: ServerResponse) => {
    received = '';
    for await (const chunk of request.setEncoding('utf8')) received += chunk;
    response.end();
  };
  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push(request.method ?? '');
      (answers.shift() ?? status(500))(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => seen.splice(0));

  const artifacts = (pauses: number[]) => {
    const client = createLeaseholdClient({ rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    return new RunArtifacts({ client, taskId: 'fN1SbArXTPSVFNUvaOlinQ', runId: 0, expires: new Date().toISOString(), pauses });
  };
  const put = (file: number | string, pauses = [1, 1, 1, 1, 1, 1, 1]) => artifacts(pauses).putFile('a', { file, contentType: TEXT });

  it('for a moment is asked again, with the same bytes and a new URL', async () => {
    const file = place();
    writeFileSync(file, 'the bytes');
    answers = [status(503), hangUp, status(429), created, status(503), created, status(403), created, hangUp, created, taken];
    expect(await put(file)).toEqual({ sha256: sha256('the bytes'), bytes: 9 });
    expect([received, answers, seen.join(' ')]).toEqual(['the bytes', [], 'POST POST POST POST PUT POST PUT POST PUT POST PUT']);
  });

  it('for long is given up, and its URL is not told', async () => {
    const file = place();
    writeFileSync(file, 'x');
    answers = [created, status(500), created, status(500)];
    const error = await put(file, [1]).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'unavailable', message: expect.not.stringContaining('signature') });
    expect(seen).toEqual(['POST', 'PUT', 'POST', 'PUT']);
  });

  it('blames a task by its own word alone, and not by that of something before it', async () => {
    const file = place();
    writeFileSync(file, 'x');
    const word = (code: number) => (request: IncomingMessage, response: ServerResponse) => {
      const json = { 'content-type': 'application/json' };
      request.resume().on('end', () => response.writeHead(code, json).end('{"message":"no"}'));
    };
    for (const [code, told] of [
      [404, 'refused'],
      [409, 'conflict'],
      [413, 'too-large'],
    ] as const) {
      answers = [word(code)];
      await expect(put(file)).rejects.toMatchObject({ code: told });
      answers = [status(code), created, taken];
      expect(await put(file)).toEqual({ sha256: sha256('x'), bytes: 1 });
    }
  });

  it.each([301, 400, 401, 404, 411, 412])('and whose place of bytes answers %d blames no task: it is tried again', async (code) => {
    const file = place();
    writeFileSync(file, 'x');
    answers = [created, status(code), created, taken];
    expect(await put(file)).toEqual({ sha256: sha256('x'), bytes: 1 });
    answers = [created, status(code), created, status(code)];
    await expect(put(file, [1])).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('and says nothing useful is refused at once', async () => {
    const file = place();
    writeFileSync(file, 'x');
    for (const nonsense of [
      { storageType: 's3' },
      { putUrl: 'ftp://a/b', contentType: TEXT },
      { putUrl: 'http://127.0.0.1:1/', contentType: 'a\r\nb: c' },
    ]) {
      const answer = (_: IncomingMessage, response: ServerResponse) =>
        void response.setHeader('content-type', 'application/json').end(JSON.stringify(nonsense));
      answers = [answer];
      await expect(put(file)).rejects.toMatchObject({ code: 'refused' });
    }
  });

  it('before all was sent is heard', async () => {
    const file = place();
    writeFileSync(file, '');
    truncateSync(file, 50_000_000);
    answers = [created, (_, response) => void response.writeHead(409).end()];
    await expect(put(file)).rejects.toMatchObject({ code: 'conflict' });
    answers = [created, (_, response) => void response.writeHead(200).end()]; // it cannot have them
    await expect(put(file, [])).rejects.toMatchObject({ code: 'unavailable' });
  });

  it.each([
    ['grows', (file: string) => appendFileSync(file, 'x')],
    ['shrinks', (file: string) => truncateSync(file, 1_000_000)],
    ['is written to', (file: string) => writeFileSync(file, 'x', { flag: 'r+' })],
  ])('is sent no whole file that %s meanwhile', async (_, change) => {
    const file = place();
    writeFileSync(file, '');
    truncateSync(file, 50_000_000);
    let length = 0;
    let isWhole: boolean | undefined;
    const changing = (request: IncomingMessage) => {
      request.once('data', () => change(file));
      request.on('data', (chunk) => (length += chunk.length));
      request.on('close', () => (isWhole = request.complete)).on('error', () => undefined);
    };
    answers = [created, changing];
    await expect(put(file)).rejects.toMatchObject({ code: 'changed' });
    for (let tries = 0; isWhole === undefined && tries < 500; tries++) await new Promise((done) => setTimeout(done, 10));
    expect([isWhole, length < 50_000_000]).toEqual([false, true]);
  });
});

/** A workspace, and beside it what nobody should get at. */
function workspace(): string {
  const root = place();
  mkdirSync(path.join(root, 'out/deep'), { recursive: true });
  mkdirSync(`${root}-outside`);
  writeFileSync(`${root}-outside/secret`, 'outside');
  writeFileSync(path.join(root, 'out/a.txt'), 'a');
  writeFileSync(path.join(root, 'out/deep/b.json'), '{}');
  symlinkSync(`${root}-outside`, path.join(root, 'dir'));
  symlinkSync(`${root}-outside/secret`, path.join(root, 'link'));
  symlinkSync('a.txt', path.join(root, 'out/inner'));
  execFileSync('mkfifo', [path.join(root, 'fifo'), path.join(root, 'out/fifo')]);
  return root;
}

describe('below a workspace', () => {
  it('39: no link is followed, in any component, and no pipe is waited for', () => {
    const root = workspace();
    const before = openFiles();
    for (const [name, reason] of [
      ['link', 'invalid-resource-on-worker'],
      ['dir/secret', 'invalid-resource-on-worker'],
      ['dir/../out/a.txt', 'invalid-resource-on-worker'],
      ['out/inner', 'invalid-resource-on-worker'],
      ['out/inner/x', 'invalid-resource-on-worker'],
      ['fifo', 'invalid-resource-on-worker'],
      ['out', 'invalid-resource-on-worker'],
      ['', 'invalid-resource-on-worker'],
      ['.', 'invalid-resource-on-worker'],
      [`../${path.basename(root)}-outside/secret`, 'invalid-resource-on-worker'],
      ['out/deep/../../../x', 'invalid-resource-on-worker'],
      ['/etc/passwd', 'invalid-resource-on-worker'],
      ['out/a.txt\0', 'invalid-resource-on-worker'],
      ['x'.repeat(300), 'invalid-resource-on-worker'],
      ['a/'.repeat(5000), 'invalid-resource-on-worker'],
      ['none', 'file-missing-on-worker'],
      ['none/at/all', 'file-missing-on-worker'],
    ]) {
      let error: unknown;
      expect(() => {
        try {
          closeSync(openBeneath(root, name!));
        } catch (thrown) {
          error = thrown;
          throw thrown;
        }
      }).toThrow();
      expect([name, error]).toMatchObject([name, { reason }]);
    }
    expect(openFiles()).toBe(before);
    const file = openBeneath(root, './out//deep/b.json');
    expect(readFileSync(file, 'utf8')).toBe('{}');
    closeSync(file);
    expect(openFiles()).toBe(before);
  });

  it('39: a directory is read without its links and pipes, and no further than it may', () => {
    const root = workspace();
    symlinkSync('/etc', path.join(root, 'out/etc'));
    linkSync(path.join(root, 'out/a.txt'), path.join(root, 'out/hard'));
    writeFileSync(Buffer.concat([Buffer.from(`${root}/out/`), Buffer.of(0xff, 0x1b)]), '');
    const before = openFiles();
    expect(walkBeneath(root, 'out', { entries: 100, bytes: 100 })).toEqual({
      files: ['a.txt', 'deep/b.json', 'hard'],
      skipped: ['"?\\u001b" has a name that is no UTF-8', '"etc" is a link', '"fifo" is no ordinary file', '"inner" is a link'],
    });
    expect(walkBeneath(root, 'out', { entries: 7, bytes: 100 }).cut).toMatch(/"out" has more than 7 entries/);
    expect(walkBeneath(root, 'out', { entries: 100, bytes: 3 }).cut).toMatch(/more than 3 bytes/);
    for (const name of ['dir', 'dir/', 'out/a.txt', 'none', '..', 'out/etc/ssl'])
      expect(() => walkBeneath(root, name, { entries: 9, bytes: 9 })).toThrow();
    expect(openFiles()).toBe(before);
  });
});

const wanted = (name: string, more: Partial<WantedArtifact> = {}): WantedArtifact => ({
  name,
  path: name,
  type: 'file',
  optional: false,
  ...more,
});

describe('artifacts of a workspace', () => {
  it('39: are uploaded as they are, and what cannot be is told to all', async () => {
    const { taskId, put } = await held();
    const root = workspace();
    const lines: string[] = [];
    const collection = await collectArtifacts(
      [
        wanted('public/all', { path: 'out', type: 'directory' }),
        wanted('public/typed', { path: 'out/a.txt', contentType: 'text/x-mine', expires: new Date(Date.now() + 3_600_000).toISOString() }),
        wanted('public/gone', { path: 'gone' }),
        wanted('public/perhaps', { path: 'gone', optional: true }),
        wanted('public/perhaps-all', { path: 'gone', type: 'directory', optional: true }),
        wanted('public/linked', { path: 'link', optional: true }),
        wanted('public/through', { path: 'dir/secret' }),
        wanted('public/through-all', { path: 'dir', type: 'directory' }),
        wanted('public/pipe', { path: 'fifo' }),
        wanted('public/above', { path: '../x' }),
      ],
      root,
      put,
      (line) => lines.push(line),
    );
    expect(collection.artifacts).toEqual([
      { name: 'public/all/a.txt', sha256: sha256('a'), bytes: 1 },
      { name: 'public/all/deep/b.json', sha256: sha256('{}'), bytes: 2 },
      { name: 'public/typed', sha256: sha256('a'), bytes: 1 },
    ]);
    const reasons = {
      'public/above': 'invalid-resource-on-worker',
      'public/gone': 'file-missing-on-worker',
      'public/linked': 'invalid-resource-on-worker',
      'public/pipe': 'invalid-resource-on-worker',
      'public/through': 'invalid-resource-on-worker',
      'public/through-all': 'invalid-resource-on-worker',
    };
    expect(Object.fromEntries(collection.missing.map(({ name, reason }) => [name, reason]))).toEqual(reasons);
    for (const [name, reason] of Object.entries(reasons)) {
      const answer = await download(taskId, name);
      expect([name, answer.status, await answer.json()]).toMatchObject([name, 424, { reason }]);
    }
    const types = await Promise.all(
      ['public/all/a.txt', 'public/all/deep/b.json', 'public/typed'].map(async (name) =>
        (await download(taskId, name)).headers.get('content-type'),
      ),
    );
    expect(types).toEqual([TEXT, 'application/json', 'text/x-mine']);
    expect((await listed(taskId)).map(({ name }) => name)).not.toContain('public/perhaps');
    expect(lines.join('\n')).toMatch(/public\/all: "fifo" is no ordinary file, and is left out/);
  });

  it('may have any names: what is no name of an artifact is told, and nothing else suffers', async () => {
    const { taskId, put } = await held();
    const root = place();
    mkdirSync(path.join(root, 'out'), { recursive: true });
    const names = ['fine', 'line\nbreak', '\u001b[2J', 'é', ' ', '..x', '%2e%2e', 'a?b#c', 'quo\'te"', 'x'.repeat(255)];
    for (const name of names) writeFileSync(path.join(root, 'out', name), name);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/out/`), Buffer.of(0xc3, 0x28)]), '');
    const deep = path.join(root, 'out', ...Array(5).fill('y'.repeat(230)));
    mkdirSync(deep, { recursive: true });
    writeFileSync(path.join(deep, 'too-deep'), '');
    const lines: string[] = [];
    const all = [wanted('public/d', { path: 'out', type: 'directory' }), wanted('public/d/fine', { path: 'out/fine' })];
    const { artifacts, missing } = await collectArtifacts(all, root, put, (line) => lines.push(line));
    const good = names.filter((name) => /^[\x20-\x7e]+$/.test(name));
    expect(artifacts.map(({ name }) => name)).toEqual(good.map((name) => `public/d/${name}`).sort());
    for (const name of good) expect((await bytesOf(taskId, `public/d/${name}`)).toString()).toBe(name);
    expect(missing.map(({ reason }) => reason).sort()).toEqual(['conflict', ...Array(4).fill('invalid-resource-on-worker')]);
    expect([...lines, ...missing.map(({ name }) => name)].join('')).toMatch(/^[\x20-\x7e…]*$/);
    const [first] = await listed(taskId);
    expect(first).toBeDefined();
  });

  it('that are too many or too large together are none', async () => {
    const { taskId, put } = await held();
    const all = [wanted('public/all', { path: 'out', type: 'directory' })];
    const { artifacts, missing } = await collectArtifacts(all, workspace(), put, () => undefined, { entries: 2, bytes: 100 });
    expect([artifacts, missing]).toMatchObject([[], [{ name: 'public/all', reason: 'too-large-file-on-worker' }]]);
    expect(await listed(taskId)).toMatchObject([{ name: 'public/all', storageType: 'error' }]);
  });

  it('are not tried one after the other where the queue is away', async () => {
    const root = place();
    mkdirSync(root);
    for (let index = 0; index < 200; index++) writeFileSync(path.join(root, `f${index}`), '');
    let asked = 0;
    const counted = (good: Credentials) => {
      asked++;
      return { ...good, accessToken: 'a'.repeat(44) };
    };
    const { put } = await held({ credentialsOf: counted, pauses: [] });
    const all = [wanted('public/all', { path: '.', type: 'directory' })];
    const before = openFiles();
    await expect(collectArtifacts(all, root, put, () => undefined)).rejects.toMatchObject({ code: 'unavailable' });
    expect(asked).toBeLessThanOrEqual(4);
    expect(openFiles()).toBe(before);
  });
});

describe('a live log', () => {
  let server: LiveLogServer;
  beforeAll(async () => {
    server = await LiveLogServer.open({ host: '127.0.0.1', port: 0 });
  });
  afterAll(() => server.close());

  const open = (most = 1_000_000, secrets: string[] = []) => LiveLog.open(place(), new Redactor(secrets), most);

  /** Reads until that is there, or the end. */
  async function until(reader: ReadableStreamDefaultReader<Uint8Array>, text: string): Promise<string> {
    let said = '';
    while (!said.includes(text)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`it ended with ${JSON.stringify(said)}`);
      said += Buffer.from(value).toString();
    }
    return said;
  }

  it('72, 73, 75: is seen by anybody while the task runs, without secrets, and is there as it was when that is over', async () => {
    const { taskId, put } = await held();
    const log = open(1_000_000, ['a very secret word']);
    const served = server.serve(log);
    await put.putReference('public/logs/live.log', { url: served.url, contentType: TEXT });
    await log.write(Buffer.from('first\n'));
    const reader = (await download(taskId, 'public/logs/live.log')).body!.getReader();
    expect(await until(reader, 'first\n')).toBe('first\n');
    for (const piece of ['a very sec', 'ret word ', '\u001b', '[2J\r\n']) await log.write(Buffer.from(piece));
    expect(await until(reader, '\r\n')).toBe('[redacted] ␛[2J\r\n');
    await log.write(Buffer.of(0xff, 0x00, 0x0a));
    expect(await until(reader, '\n')).toBe('\ufffd␀\n');
    const digest = await log.end();
    expect((await reader.read()).done).toBe(true);
    served.close();

    const stored = Buffer.concat([Buffer.from('first\n[redacted] \u001b[2J\r\n'), Buffer.of(0xff, 0x00, 0x0a)]);
    expect(digest).toEqual({ sha256: sha256(stored), bytes: stored.length, dropped: 0 });
    const { dropped: _, ...uploaded } = digest;
    expect(await put.putFile('public/logs/live_backing.log', { file: log.file, contentType: TEXT })).toEqual(uploaded);
    await put.putLink('public/logs/live.log', 'public/logs/live_backing.log', { contentType: TEXT });
    expect((await bytesOf(taskId, 'public/logs/live.log')).equals(stored)).toBe(true);
    expect((await fetch(served.url)).status).toBe(404);
    expect(statSync(log.file).mode & 0o777).toBe(0o600);
    expect(() => LiveLog.open(log.file, new Redactor([]), 1)).toThrow(/EEXIST/);
  });

  it('72: of 300 MB has as many bytes as it may, and a line that says so', async () => {
    const log = open(1_000_000, ['not in there']);
    const chunk = Buffer.alloc(65_536, 'x');
    const times = Math.ceil(300e6 / chunk.length);
    for (let count = 0; count < times; count++) await log.write(chunk);
    const { sha256: digest, bytes, dropped } = await log.end();
    const stored = readFileSync(log.file);
    expect(stored.subarray(1_000_000).toString()).toBe('\n[the log has more than 1000000 bytes; the rest was dropped]\n');
    expect([digest, bytes, dropped]).toEqual([sha256(stored), stored.length, times * chunk.length - 1_000_000]);
  });

  it('that is as long as it may be has no such line; what comes at once is in order', async () => {
    const log = open(8);
    await Promise.all(['ab', 'cd', 'ef', 'gh'].map((text) => log.write(Buffer.from(text))));
    expect(await log.end()).toMatchObject({ bytes: 8, dropped: 0 });
    expect(await log.end()).toMatchObject({ bytes: 8, dropped: 0 });
    expect(readFileSync(log.file, 'utf8')).toBe('abcdefgh');
    await expect(log.write(Buffer.from('x'))).rejects.toThrow(/is over/);
  });

  it('does not wait for who reads slowly, or not at all', async () => {
    const log = open(50_000_000);
    const served = server.serve(log);
    const { port, pathname } = new URL(served.url);
    const deaf = connect(Number(port), '127.0.0.1').pause();
    await once(deaf, 'connect');
    deaf.write(`GET ${pathname} HTTP/1.1\r\nhost: x\r\n\r\n`);
    const slow = log.follow(0)[Symbol.asyncIterator]();
    const line = Buffer.from(`${'x'.repeat(999)}\n`.repeat(1000));
    for (let count = 0; count < 30; count++) await log.write(line);
    await log.end();
    const read = async () => {
      let length = 0;
      for (let next = await slow.next(); !next.done; next = await slow.next()) length += next.value.length;
      return length;
    };
    expect(await read()).toBe(30_000_000);
    expect((await (await fetch(served.url)).text()).length).toBe(30_000_000);
    deaf.destroy();
  });

  it('is followed from any byte, until its follower goes, whose file is closed', async () => {
    const log = open();
    await log.write(Buffer.from('0123456789'));
    const before = openFiles(log.file);
    const gone = new AbortController();
    const follower = log.follow(4, gone.signal)[Symbol.asyncIterator]();
    expect((await follower.next()).value?.toString()).toBe('456789');
    const next = follower.next();
    gone.abort();
    expect((await next).done).toBe(true);
    expect([before, openFiles(log.file)]).toEqual([1, 1]);
    await log.end();
  });

  it('is plain text for pages of any origin, and can only be read', async () => {
    const log = open();
    const { url } = server.serve(log);
    await log.write(Buffer.from('<script>'));
    await log.end();
    const answer = await fetch(url, { headers: { origin: 'https://ui.example' } });
    expect([answer.status, await answer.text()]).toEqual([200, '<script>']);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': TEXT,
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
    });
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, TEXT, '']);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect([method, (await fetch(url, { method })).status]).toEqual([method, 405]);
    const base = url.replace(/\/log\/.*/, '');
    for (const other of [
      '/',
      '/log/',
      `/log/${'A'.repeat(43)}`,
      `/log/${'A'.repeat(5000)}`,
      `${new URL(url).pathname}/x`,
      '/log/%00',
      '//log',
    ])
      expect([other, (await fetch(base + other)).status]).toEqual([other, 404]);
    expect(Buffer.from(new URL(url).pathname.slice('/log/'.length), 'base64url').length).toBeGreaterThanOrEqual(16);
  });

  it('has so many readers at once, and no more; who goes makes room', async () => {
    const log = open();
    const { url, close } = server.serve(log);
    const gone = new AbortController();
    const readers = await Promise.all(Array.from({ length: 32 }, () => fetch(url, { signal: gone.signal })));
    const one = await fetch(url);
    expect([one.status, readers.every(({ status }) => status === 200)]).toEqual([503, true]);
    gone.abort();
    let again = await fetch(url);
    for (let tries = 0; again.status === 503 && tries < 500; tries++) {
      await new Promise((done) => setTimeout(done, 10));
      again = await fetch(url);
    }
    expect(again.status).toBe(200);
    close(); // who reads it reads on
    await log.write(Buffer.from('to the end'));
    await log.end();
    expect(await again.text()).toBe('to the end');
  });

  it('whose server closes is cut off, and its reader knows; a URL may be given by whoever set that up', async () => {
    const other = await LiveLogServer.open({ host: '127.0.0.1', port: 0, url: 'https://logs.example/worker-7/' });
    expect(other.serve(open()).url).toMatch(/^https:\/\/logs\.example\/worker-7\/log\/[\w-]{43}$/);
    await other.close();
    await expect(LiveLogServer.open({ host: '0.0.0.0', port: 0 })).rejects.toThrow(/say by which others reach this worker/);
    const third = await LiveLogServer.open({ host: '127.0.0.1', port: 0 });
    const log = open();
    const answer = await fetch(third.serve(log).url);
    await third.close();
    await expect(answer.text()).rejects.toThrow();
    await log.end();
  });
});

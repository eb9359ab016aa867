import { createHash, createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import S3rver from 's3rver';
import taskcluster from 'taskcluster-client';
import { ArtifactExpiry } from '../src/service/artifacts/expiry.service.js';
import type { Api, Credentials } from './support/api.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/*
 * The unmodified client uploads and downloads artifacts as workers and their users do: on local disk, and on an S3 that strangers
 * wrote. That one knows its keys and the ends of URLs, but does not calculate signatures of version 4: so that is done here.
 */

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

class Client {
  // biome-ignore lint/suspicious/noExplicitAny: a stranger's client
  readonly queue: any;

  constructor(
    readonly rootUrl: string,
    readonly credentials?: Credentials,
  ) {
    this.queue = new taskcluster.Queue({ rootUrl, ...(credentials ? { credentials } : {}) });
  }

  /** As a worker uploads an object. */
  async uploadObject(taskId: string, name: string, bytes: Buffer): Promise<void> {
    const terms = { storageType: 'object', expires: inAnHour(), contentType: 'text/x-test', contentLength: bytes.length };
    const { projectId, uploadId, expires, credentials, name: object } = await this.queue.createArtifact(taskId, 0, name, terms);
    await taskcluster.upload({
      projectId,
      uploadId,
      name: object,
      contentType: 'text/x-test',
      contentLength: bytes.length,
      expires,
      object: new taskcluster.Object({ rootUrl: this.rootUrl, credentials }),
      streamFactory: async () => Readable.from([bytes]),
    });
    await this.queue.finishArtifact(taskId, 0, name, { uploadId });
  }

  async uploadS3(taskId: string, name: string, bytes: Buffer): Promise<string> {
    const terms = { storageType: 's3', expires: inAnHour(), contentType: 'text/x-test' };
    const { putUrl, contentType } = await this.queue.createArtifact(taskId, 0, name, terms);
    const { status } = await fetch(putUrl, { method: 'PUT', body: bytes, headers: { 'content-type': contentType } });
    expect(status).toBe(200);
    return putUrl;
  }

  /** The content type, and the digest of what came. */
  async download(taskId: string, name: string, runId?: number): Promise<[string, string]> {
    let arrived: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));
    const streamFactory = async () => {
      const stream = new PassThrough();
      arrived = buffer(stream);
      return stream;
    };
    const contentType = await taskcluster.downloadArtifact({ taskId, runId, name, queue: this.queue, streamFactory, retries: 0 });
    return [contentType, digest(await arrived)];
  }
}

/** The signature (AWS, version 4) that the query of a URL must have for a request with these headers. */
function s3Signature(method: string, href: string, headers: Record<string, string>, secret: string): string {
  const url = new URL(href);
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`);
  const signed = (url.searchParams.get('X-Amz-SignedHeaders') ?? '').split(';');
  const canonical = [
    method,
    url.pathname,
    query.sort().join('&'),
    ...signed.map((name) => `${name}:${name === 'host' ? url.host : headers[name]}`),
    '',
    signed.join(';'),
    'UNSIGNED-PAYLOAD',
  ].join('\n');
  const at = url.searchParams.get('X-Amz-Date') ?? '';
  const scope = [at.slice(0, 8), 'us-east-1', 's3', 'aws4_request'];
  const key = scope.reduce<string | Buffer>((above, part) => mac(above, part), `AWS4${secret}`);
  return mac(key, ['AWS4-HMAC-SHA256', at, scope.join('/'), hash(canonical)].join('\n')).toString('hex');
}

const signatureOf = (url: string) => new URL(url).searchParams.get('X-Amz-Signature');

const SMALL = Buffer.from('a small one\n');
const LARGE = randomBytes(300_000);

interface Setting {
  test: TestService;
  client: Client;
  taskId: string;
  /** As the run. */
  worker: Client;
  run: Api;
}

async function held(test: TestService): Promise<Setting> {
  const tasks = new Tasks(test.root, test.database);
  const taskId = await tasks.create({ projectId: 'a/project' });
  const { credentials } = await ok(tasks.claimTask(taskId));
  const reader = await test.client('queue:get-artifact:public/*');
  const client = new Client(test.service.url, reader.credentials);
  return { test, taskId, client, worker: new Client(test.service.url, credentials), run: test.root.as(credentials) };
}

function everyStorageType(setting: () => Setting): void {
  it.each([
    ['inline', SMALL],
    ['by URL', LARGE],
    ['empty', Buffer.alloc(0)],
  ])('uploads and downloads objects: %s', async (_, bytes) => {
    const { worker, client, taskId } = setting();
    const name = `public/object ${bytes.length}`;
    await worker.uploadObject(taskId, name, bytes);
    for (const runId of [0, undefined]) {
      expect(await client.download(taskId, name, runId)).toEqual(['text/x-test', digest(bytes)]);
    }
    const { artifacts } = await new Client(client.rootUrl, setting().test.root.credentials).queue.listLatestArtifacts(taskId);
    expect(artifacts.find((one: { name: string }) => one.name === name)).toMatchObject({
      storageType: 'object',
      contentLength: bytes.length,
    });
  });

  it('downloads what was PUT, follows links, and reports errors', async () => {
    const { worker, client, taskId } = setting();
    await worker.uploadS3(taskId, 'public/a/b.bin', LARGE);
    await worker.queue.createArtifact(taskId, 0, 'public/link', { storageType: 'link', expires: inAnHour(), artifact: 'public/a/b.bin' });
    for (const name of ['public/a/b.bin', 'public/link']) {
      expect(await client.download(taskId, name)).toEqual(['text/x-test', digest(LARGE)]);
    }
    const error = { storageType: 'error', expires: inAnHour(), reason: 'file-missing-on-worker', message: 'gone' };
    await worker.queue.createArtifact(taskId, 0, 'public/none', error);
    await expect(client.download(taskId, 'public/none')).rejects.toMatchObject({ message: 'gone', reason: 'file-missing-on-worker' });
  });

  it('is refused what it may not have, or what there is not', async () => {
    const { worker, client, taskId } = setting();
    await worker.uploadObject(taskId, 'private/object', SMALL);
    await expect(client.download(taskId, 'private/object')).rejects.toMatchObject({ statusCode: 403 });
    await expect(new Client(client.rootUrl).download(taskId, 'private/object')).rejects.toMatchObject({ statusCode: 403 });
    await expect(client.download(taskId, 'public/nothing')).rejects.toMatchObject({ statusCode: 404 });
    await expect(client.queue.createArtifact(taskId, 0, 'x', { storageType: 's3', expires: inAnHour() })).rejects.toMatchObject({
      statusCode: 403,
    });
  });
}

describe('taskcluster-client, on disk', () => {
  let setting: Setting;
  beforeAll(async () => {
    setting = await held(await startTestService({ sweepInterval: 600, claimPoll: 0 }));
  });
  afterAll(() => setting.test.close());

  everyStorageType(() => setting);

  it('refuses what is not what was uploaded', async () => {
    const { worker, client, taskId, test } = setting;
    await worker.uploadObject(taskId, 'public/changed', LARGE);
    await test.database.pool.query(`update artifact set hashes = '{"sha256":"00","sha512":"00"}' where name = 'public/changed'`);
    await expect(client.download(taskId, 'public/changed')).rejects.toThrow('hash does not match');
  });

  it('signs URLs of single artifacts for browsers', async () => {
    const { worker, client, taskId } = setting;
    await worker.uploadS3(taskId, 'public/page', SMALL);
    const url = client.queue.buildSignedUrl(client.queue.getLatestArtifact, taskId, 'public/page', { expiration: 60 });
    expect(await (await fetch(url)).text()).toBe(SMALL.toString());
    expect((await fetch(url.replace('public', 'private'))).status).toBe(401);
  });
});

describe('taskcluster-client, on an S3', () => {
  let setting: Setting;
  let bucket: S3rver;
  let endpoint: string;
  const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-s3-'));
  const s3 = { bucket: 'some-bucket', region: 'us-east-1', accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  beforeAll(async () => {
    bucket = new S3rver({ address: '127.0.0.1', port: 0, silent: true, directory, configureBuckets: [{ name: s3.bucket }] });
    endpoint = `http://127.0.0.1:${(await bucket.run()).port}`;
    setting = await held(await startTestService({ sweepInterval: 600, claimPoll: 0, s3: { ...s3, endpoint } }));
  });
  afterAll(async () => {
    await setting.test.close();
    await bucket.close();
    rmSync(directory, { recursive: true });
  });

  everyStorageType(() => setting);

  it('goes to the bucket itself, by URLs that are good for just this', async () => {
    const { worker, taskId, test } = setting;
    const putUrl = await worker.uploadS3(taskId, '../../escape', SMALL);
    expect(putUrl.startsWith(`${endpoint}/some-bucket/artifacts/`)).toBe(true);
    expect(putUrl).not.toContain('escape');
    const signed = (method: string, url: string, type: string) =>
      s3Signature(method, url, { 'content-type': type }, s3.secretAccessKey) === signatureOf(url);
    expect(signed('PUT', putUrl, 'text/x-test')).toBe(true);
    expect(signed('PUT', putUrl, 'text/html')).toBe(false);
    expect(signed('GET', putUrl, 'text/x-test')).toBe(false);
    expect(signed('PUT', putUrl.replace(/artifacts\/[0-9a-f]{8}/, 'artifacts/00000000'), 'text/x-test')).toBe(false);
    const seconds = (url: string) => Number(new URL(url).searchParams.get('X-Amz-Expires'));
    expect(seconds(putUrl)).toBeGreaterThan(44 * 60);
    expect(seconds(putUrl)).toBeLessThanOrEqual(45 * 60);
    const { url } = await ok(test.root.get(`/queue/v1/task/${taskId}/artifact-content/${encodeURIComponent('../../escape')}`));
    expect(await (await fetch(url)).text()).toBe(SMALL.toString());
    expect([signed('GET', url, ''), signed('PUT', url, ''), seconds(url) <= 30 * 60]).toEqual([true, false, true]);
  });

  it('shows in a browser only what is harmless', async () => {
    const { run, client, taskId } = setting;
    for (const [contentType, disposition] of [
      ['text/plain; charset=utf-8', 'inline; filename="page"'],
      ['text/plain;,text/html', 'attachment; filename="page"'],
      ['image/png;, image/svg+xml', 'attachment; filename="page"'],
    ] as const) {
      const name = `public/${contentType}/page`;
      await ok(
        run.post(`/queue/v1/task/${taskId}/runs/0/artifacts/${encodeURIComponent(name)}`, {
          storageType: 's3',
          expires: inAnHour(),
          contentType,
        }),
      );
      const { url } = await client.queue.latestArtifact(taskId, name);
      expect([contentType, new URL(url).searchParams.get('response-content-disposition')]).toEqual([contentType, disposition]);
    }
  });

  it('an object is held to the length that was announced', async () => {
    const { run, taskId, test } = setting;
    const terms = { storageType: 'object', expires: inAnHour(), contentType: 'text/plain' };
    const { name, credentials, projectId, uploadId, expires } = await ok(run.post(`/queue/v1/task/${taskId}/runs/0/artifacts/five`, terms));
    const proposal = { projectId, uploadId, expires, proposedUploadMethods: { putUrl: { contentType: 'x', contentLength: 5 } } };
    const upload = `/api/object/v1/upload/${encodeURIComponent(name)}`;
    const { url, headers } = (await ok(test.root.as(credentials).put(upload, proposal))).uploadMethod.putUrl;
    const expected = (length: string) =>
      s3Signature('PUT', url, { 'content-type': headers['Content-Type'], 'content-length': length }, s3.secretAccessKey);
    expect([expected('5'), expected('6')]).toEqual([signatureOf(url), expect.not.stringMatching(signatureOf(url) ?? '')]);
  });

  it('an object is not complete without bytes', async () => {
    const { run, taskId, test } = setting;
    const terms = { storageType: 'object', expires: inAnHour(), contentType: 'text/plain' };
    const created = await ok(run.post(`/queue/v1/task/${taskId}/runs/0/artifacts/empty`, terms));
    const { projectId, uploadId, name, credentials } = created;
    const finish = `/api/object/v1/finish-upload/${encodeURIComponent(name)}`;
    await refused(test.root.as(credentials).post(finish, { projectId, uploadId }), 400);
  });

  it('what expired is deleted there; when the bucket does not answer, it is tried again', async () => {
    const { worker, client, taskId, test } = setting;
    await worker.uploadS3(taskId, 'public/old', SMALL);
    const { url } = await client.queue.latestArtifact(taskId, 'public/old');
    expect((await fetch(url)).status).toBe(200);
    await test.database.pool.query(`update artifact set expires = now() - interval '31 minutes' where name = 'public/old'`);
    const deaf = await test.replica({ s3: { ...s3, endpoint: 'http://127.0.0.1:1' } });
    expect(await deaf.service.app.get(ArtifactExpiry).sweep()).toEqual({ claimed: 1, gone: 0 });
    await deaf.close();
    expect((await fetch(url)).status).toBe(200);
    await test.database.pool.query(`update artifact set swept = now() - interval '11 minutes' where name = 'public/old'`);
    expect(await test.service.app.get(ArtifactExpiry).sweep()).toEqual({ claimed: 1, gone: 1 });
    expect((await fetch(url)).status).toBe(404);
  });

  it('a bucket that does not answer is not taken for the database', async () => {
    const { worker, taskId, test } = setting;
    const { credentials } = worker;
    const deaf = await test.replica({ s3: { ...s3, endpoint: 'http://127.0.0.1:1' } });
    const terms = { storageType: 'object', expires: inAnHour(), contentType: 'text/plain' };
    const run = deaf.root.as(credentials);
    const { body } = await run.post(`/queue/v1/task/${taskId}/runs/0/artifacts/public%2Fdeaf`, terms);
    const { name, projectId, uploadId, expires } = body;
    const inline = { dataInline: { contentType: 'text/plain', objectData: 'AAAA' } };
    const proposal = { projectId, uploadId, expires, proposedUploadMethods: inline };
    const path = `/api/object/v1/upload/${encodeURIComponent(name)}`;
    const answer = await deaf.root.as(body.credentials).request('put', path, { body: proposal });
    expect(answer).toMatchObject({ status: 500, body: { code: 'InternalServerError' } });
    await deaf.close();
  });

  it('what is on the disk since before stays there', async () => {
    const { worker, client, taskId, test } = setting;
    const { credentials } = worker;
    const disk = await test.replica({ s3: undefined });
    await new Client(disk.service.url, credentials).uploadS3(taskId, 'public/disk', SMALL);
    const { url } = await client.queue.latestArtifact(taskId, 'public/disk');
    expect(await (await fetch(url)).text()).toBe(SMALL.toString());
    await disk.close();
  });
});

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import path from 'node:path';
import { jest } from '@jest/globals';
import { ArtifactExpiry } from '../src/service/artifacts/expiry.service.js';
import { Config } from '../src/service/config.js';
import { Housekeeper } from '../src/service/postgres/housekeeper.js';
import type { RunningService } from '../src/service/service.js';
import type { Api } from './support/api.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* Artifacts among what goes wrong: disks that refuse, callers that are slow, and callers that mean harm. */

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, artifactMaxSize: 30_000_000 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
const at = (name: string) => encodeURIComponent(name);
const artifactAt = (taskId: string, name: string) => `/queue/v1/task/${taskId}/runs/0/artifacts/${at(name)}`;
const s3 = (more: object = {}) => ({ storageType: 's3', expires: inHours(1), contentType: 'text/plain', ...more });
const sql = async (text: string, values: unknown[] = []) => (await test.database.pool.query(text, values)).rows;

/** A claimed run, and calls with its credentials. */
async function held(root = test.root): Promise<{ taskId: string; run: Api }> {
  const taskId = await tasks.create({});
  const { credentials } = await ok(tasks.claimTask(taskId));
  return { taskId, run: root.as(credentials) };
}

async function uploaded(taskId: string, run: Api, name: string, body: string | Buffer, more: object = {}): Promise<string> {
  const { putUrl } = await ok(run.post(artifactAt(taskId, name), s3(more)));
  expect((await fetch(putUrl, { method: 'PUT', body })).status).toBe(200);
  return putUrl;
}

async function fileOf(taskId: string, name: string): Promise<string> {
  const [{ blob_id }] = await sql('select blob_id from artifact where task_id = $1 and name = $2', [taskId, name]);
  return path.join(test.service.app.get(Config).dataDir, 'artifacts/blobs', blob_id.slice(0, 2), blob_id);
}

describe('bytes that are replaced', () => {
  it('have the length that their artifact says, whichever come last', async () => {
    const { taskId, run } = await held();
    for (let round = 0; round < 50; round++) {
      const name = `round-${round}`;
      const { putUrl } = await ok(run.post(artifactAt(taskId, name), s3()));
      const put = (length: number) => fetch(putUrl, { method: 'PUT', body: 'x'.repeat(length) });
      await Promise.all([10, 20, 30, 40].map(put));
      const { contentLength } = await ok(test.root.get(`/queue/v1/task/${taskId}/runs/0/artifact-info/${name}`));
      const answer = await fetch((await test.root.get(artifactAt(taskId, name))).body.url);
      expect([round, (await answer.text()).length]).toEqual([round, contentLength]);
    }
  });

  it('while their object is finished leave it as it was looked at, or unfinished', async () => {
    const { taskId, run } = await held();
    const { name, credentials, projectId, uploadId, expires } = await ok(
      run.post(artifactAt(taskId, 'o'), { ...s3(), storageType: 'object' }),
    );
    const uploader = test.root.as(credentials);
    const begin = async (contentLength: number) => {
      const proposedUploadMethods = { putUrl: { contentType: 'x', contentLength } };
      const { uploadMethod } = await ok(
        uploader.put(`/api/object/v1/upload/${at(name)}`, { projectId, uploadId, expires, proposedUploadMethods }),
      );
      return (body: string) => fetch(uploadMethod.putUrl.url, { method: 'PUT', body });
    };
    const finish = () => uploader.post(`/api/object/v1/finish-upload/${at(name)}`, { projectId, uploadId });
    await (await begin(4))('good');
    const other = await begin(4);
    const holder = await test.database.pool.connect();
    try {
      await holder.query('begin');
      await holder.query('select from artifact where task_id = $1 for update', [taskId]);
      const waiting = async (times: number) => {
        const count = `select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
        while ((await sql(count))[0].count < times) await new Promise((done) => setTimeout(done, 10));
      };
      const put = other('evil');
      await waiting(1);
      const finished = finish();
      await waiting(2);
      await holder.query('rollback');
      expect((await put).status).toBe(200);
      expect(await refused(finished, 409)).toContain('changed meanwhile');
    } finally {
      holder.release();
    }
    await ok(finish());
    const [{ hashes }] = await sql('select hashes from artifact where task_id = $1', [taskId]);
    expect(hashes.sha256).toBe(createHash('sha256').update('evil').digest('hex'));
    expect((await other('good')).status).toBe(409);
  });
});

describe('the sweep of what expired', () => {
  beforeEach(() => sql('delete from artifact'));
  const sweep = () => test.service.app.get(ArtifactExpiry).sweep();
  const later = () => sql(`update artifact set swept = swept - interval '11 minutes'`);
  const left = async () => (await sql('select name from artifact order by name')).map(({ name }) => name);

  it('is kept by a file that cannot be deleted from that one alone', async () => {
    const { taskId, run } = await held();
    for (const name of ['free', 'stuck', 'trapped']) await uploaded(taskId, run, name, 'x');
    const stuck = await fileOf(taskId, 'stuck');
    rmSync(stuck);
    mkdirSync(stuck); // no rm deletes that
    await sql(`update artifact set expires = now() - interval '31 minutes'`);
    expect([await sweep(), await left()]).toEqual([{ claimed: 3, gone: 2 }, ['stuck']]);
    rmSync(stuck, { recursive: true });
    await later();
    expect([await sweep(), await left()]).toEqual([{ claimed: 1, gone: 1 }, []]);
  });

  it('is kept by an object that a bucket refuses to delete from that one alone', async () => {
    const { taskId } = await held();
    const insert = `insert into artifact (task_id, run_id, name, storage_type, content_type, expires, details, present, store, blob_id)
      select $1, 0, name, 's3', 'text/plain', now() - interval '40 minutes', '{}', true, 's3', name from unnest($2::text[]) name`;
    await sql(insert, [taskId, ['free', 'stuck', 'trapped']]);
    let refusal = '<Error><Key>artifacts/stuck</Key><Code>AccessDenied</Code><Message>no</Message></Error>';
    const bucket = createServer((call, response) => {
      const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/';
      call.resume().on('end', () => response.end(`<?xml version="1.0"?><DeleteResult xmlns="${xmlns}">${refusal}</DeleteResult>`));
    });
    await once(bucket.listen(0, '127.0.0.1'), 'listening');
    const endpoint = `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`;
    const s3 = { bucket: 'some-bucket', region: 'us-east-1', accessKeyId: 'A', secretAccessKey: 'B', endpoint };
    const replica = await test.replica({ s3 });
    try {
      const expiry = replica.service.app.get(ArtifactExpiry);
      expect([await expiry.sweep(), await left()]).toEqual([{ claimed: 3, gone: 2 }, ['stuck']]);
      refusal = '<Error><Code>InternalError</Code><Message>of no object</Message></Error>';
      await later();
      expect([await expiry.sweep(), await left()]).toEqual([{ claimed: 1, gone: 0 }, ['stuck']]);
      refusal = '';
      await later();
      expect([await expiry.sweep(), await left()]).toEqual([{ claimed: 1, gone: 1 }, []]);
    } finally {
      await replica.close();
      bucket.close();
      bucket.closeAllConnections();
    }
  });

  it('comes to what can be removed, however much before it cannot', async () => {
    const { taskId, run } = await held();
    const stuck = `insert into artifact (task_id, run_id, name, storage_type, content_type, expires, details, present, store, blob_id)
      select $1, 0, 'stuck' || i, 's3', 'text/plain', now() - interval '40 minutes', '{}', true, 's3', gen_random_uuid()
        from generate_series(1, 250) i`; // in a bucket that is not configured
    await sql(stuck, [taskId]);
    for (const round of ['first', 'second']) {
      await uploaded(taskId, run, round, 'x');
      await sql(`update artifact set expires = now() - interval '31 minutes' where name = $1`, [round]);
      const sweeps = [];
      while (sweeps.at(-1)?.claimed !== 0) sweeps.push(await sweep());
      expect(sweeps.map(({ claimed }) => claimed)).toEqual([100, 100, 51, 0]); // a full batch says that there is more
      expect(sweeps.reduce((sum, { gone }) => sum + gone, 0)).toBe(1);
      expect(await left()).toHaveLength(250);
      await later();
    }
    await uploaded(taskId, run, 'third', 'x');
    await sql(`update artifact set expires = now() - interval '31 minutes' where name = 'third'`);
    expect(await sweep()).toEqual({ claimed: 100, gone: 1 }); // before all that was tried
  });
});

describe('who is slow', () => {
  const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
  const urlOf = async (taskId: string, name: string) => new URL((await test.root.get(artifactAt(taskId, name))).body.url);
  const until = async (holds: () => boolean) => {
    for (let tries = 0; !holds() && tries < 800; tries++) await sleep(10);
    expect(holds()).toBe(true);
  };
  const unfinished = () => {
    const directory = path.join(test.service.app.get(Config).dataDir, 'artifacts/unfinished');
    return existsSync(directory) ? readdirSync(directory).length : 0;
  };

  const clients: Socket[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy(); // also of a test that failed: the service would wait for them
  });

  /** A bare connection that has sent this, and what has come back. */
  async function connection(service: RunningService, head: string) {
    const connected = once(service.app.getHttpServer(), 'connection');
    const client = connect(Number(new URL(service.url).port), '127.0.0.1');
    clients.push(client);
    const one = { client, server: (await connected)[0] as Socket, received: '', ended: false };
    client.on('error', () => undefined);
    client.on('close', () => {
      one.ended = true;
    });
    client.write(head);
    return one;
  }

  const reading = (one: Awaited<ReturnType<typeof connection>>) =>
    one.client.on('data', (bytes) => (one.received += bytes.toString('latin1')));
  const head = (method: string, { pathname, search }: URL, more = '') =>
    `${method} ${pathname}${search} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
  const upload = (url: string, service: RunningService, length = 6) =>
    connection(service, `${head('PUT', new URL(url), `content-length: ${length}\r\n`)}abc`);

  it('to read is hung up on after a minute without a byte; who reads on keeps the connection', async () => {
    const { taskId, run } = await held();
    await uploaded(taskId, run, 'large', Buffer.alloc(20_000_000, 'x'));
    const url = await urlOf(taskId, 'large');
    const stalled = await connection(test.service, head('GET', url));
    stalled.client.pause();
    await until(() => stalled.server.timeout === 60_000);
    stalled.server.emit('timeout');
    expect(stalled.server.destroyed).toBe(true);
    const { keepAliveTimeout } = test.service.app.getHttpServer();
    const steady = await connection(test.service, head('GET', url, 'range: bytes=0-9\r\n'));
    reading(steady);
    await until(() => steady.received.endsWith('xxxxxxxxxx') && (steady.server.timeout ?? 0) >= keepAliveTimeout);
  });

  it('to upload is broken off once the run is over, or the URL is', async () => {
    const register = jest.spyOn(Housekeeper.prototype, 'register');
    const replica = await test.replica();
    const job = register.mock.calls.map(([one]) => one).find(({ name }) => name.startsWith('breaking off uploads'));
    register.mockRestore();
    try {
      expect(job?.every).toBe(60);
      const [over, open] = [await held(replica.root), await held(replica.root)];
      const { putUrl: lost } = await ok(over.run.post(artifactAt(over.taskId, 'a'), s3()));
      const { putUrl: good } = await ok(open.run.post(artifactAt(open.taskId, 'a'), s3()));
      const [first, second, third] = [
        await upload(lost, replica.service),
        await upload(good, replica.service),
        await upload(good, replica.service),
      ];
      await until(() => unfinished() === 3);
      await job?.batch();
      await sleep(100);
      expect([first.ended, second.ended, third.ended]).toEqual([false, false, false]);
      await ok(over.run.post(`/queue/v1/task/${over.taskId}/runs/0/completed`));
      await job?.batch();
      await until(() => first.ended && unfinished() === 2);
      expect(second.ended).toBe(false);
      reading(second).write('def');
      await until(() => second.received.startsWith('HTTP/1.1 200'));
      const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 46 * 60_000);
      await job?.batch();
      now.mockRestore();
      await until(() => third.ended && unfinished() === 0);
      expect(await (await fetch(await urlOf(open.taskId, 'a'))).text()).toBe('abcdef');
    } finally {
      await replica.close();
    }
  });

  it('cannot keep the service from stopping; who comes to the end in time can', async () => {
    const replica = await test.replica();
    const { taskId, run } = await held(replica.root);
    const { putUrl } = await ok(run.post(artifactAt(taskId, 'a'), s3()));
    const { putUrl: other } = await ok(run.post(artifactAt(taskId, 'b'), s3()));
    await uploaded(taskId, run, 'large', Buffer.alloc(20_000_000));
    const reader = await connection(replica.service, head('GET', await urlOf(taskId, 'large')));
    reader.client.pause();
    const [dripping, ending] = [await upload(putUrl, replica.service, 1000), await upload(other, replica.service)];
    await until(() => unfinished() === 2 && reader.server.timeout === 60_000);
    const drip = setInterval(() => dripping.client.write('x'), 100);
    reading(ending);
    const began = performance.now();
    const closing = replica.close();
    await sleep(500);
    ending.client.write('def');
    await until(() => ending.received.startsWith('HTTP/1.1 200'));
    await closing;
    clearInterval(drip);
    expect(performance.now() - began).toBeLessThan(10_000);
    await until(() => unfinished() === 0);
  });

  it('after a refusal is not kept either', async () => {
    const server = test.service.app.getHttpServer();
    const { keepAliveTimeout } = server;
    server.keepAliveTimeout = 500;
    try {
      const { taskId, run } = await held();
      const { putUrl } = await ok(run.post(artifactAt(taskId, 'a'), s3()));
      const refusedOne = await connection(test.service, head('PUT', new URL(putUrl), 'transfer-encoding: chunked\r\n'));
      reading(refusedOne);
      const chunk = Buffer.concat([Buffer.from('f4240\r\n'), Buffer.alloc(1_000_000), Buffer.from('\r\n')]);
      for (let sent = 0; sent <= 30; sent++) refusedOne.client.write(chunk);
      await until(() => refusedOne.received.startsWith('HTTP/1.1 413'));
      refusedOne.client.write('0\r\n\r\n');
      await until(() => refusedOne.ended);
    } finally {
      server.keepAliveTimeout = keepAliveTimeout;
    }
  });
});

it('the type that takes the most room leaves enough for the rest of what is known of an object', async () => {
  const { taskId, run } = await held();
  const terms = { ...s3({ contentType: '"'.repeat(255) }), storageType: 'object' };
  const { name, credentials, projectId, uploadId, expires } = await ok(run.post(artifactAt(taskId, 'o'), terms));
  const proposedUploadMethods = { dataInline: { contentType: 'x', objectData: 'AA==' } };
  await ok(test.root.as(credentials).put(`/api/object/v1/upload/${at(name)}`, { projectId, uploadId, expires, proposedUploadMethods }));
});

it('a file that is not as long as it says is no answer, and not the end of a connection that others use', async () => {
  const { taskId, run } = await held();
  await uploaded(taskId, run, 'a', 'x'.repeat(5000));
  const { url } = (await test.root.get(artifactAt(taskId, 'a'))).body;
  const file = await fileOf(taskId, 'a');
  for (const damage of [() => truncateSync(file, 1100), () => appendFileSync(file, 'x'.repeat(5000)), () => writeFileSync(file, 'junk')]) {
    damage();
    const answer = await fetch(url);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([500, 'InternalServerError']);
  }
});

it('no type of a body takes another operation out of the limit of 10 MiB', async () => {
  for (const type of ['application/vnd.leasehold.unread', 'application/vnd.leasehold.', 'application/octet-stream']) {
    const headers = { 'content-type': type, 'content-length': String(2_000_000_000) };
    const call = request(`${test.root.url}/api/auth/v1/scopes/expand`, { method: 'POST', headers });
    call.on('error', () => undefined);
    call.write('x');
    const [response] = await once(call, 'response');
    expect([type, response.statusCode, response.headers.connection]).toEqual([type, 413, 'close']);
    call.destroy();
  }
});

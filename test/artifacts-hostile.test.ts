import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { ArtifactExpiry } from '../src/service/artifacts/expiry.service.js';
import { Config } from '../src/service/config.js';
import type { Api } from './support/api.js';
import { ok, Tasks } from './support/tasks.js';
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

describe('the sweep of what expired', () => {
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
    const bucket = createServer((request, response) => {
      const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/';
      request.resume().on('end', () => response.end(`<?xml version="1.0"?><DeleteResult xmlns="${xmlns}">${refusal}</DeleteResult>`));
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
    await sql('delete from artifact');
  });
});

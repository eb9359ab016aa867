import taskcluster from 'taskcluster-client';
import { ok, refused } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
});
afterAll(() => test.close());

const POOL = '/purge-cache/v1/purge-cache/test%2Fpool';
const ALL = '/purge-cache/v1/purge-cache/list';

async function asTaskcluster(...scopes: string[]) {
  const { credentials } = await test.client(...scopes);
  return new taskcluster.PurgeCache({ rootUrl: test.root.url, credentials, retries: 0 });
}

it('purgeRequests wants its scope, which has two colons', async () => {
  const wrong = ['purge-cache:purge-requests:test/pool', 'purge-cache:purge-requests::test/pools', 'purge-cache:all-purge-requests'];
  for (const api of [test.root.as(), await test.client(...wrong)]) await refused(api.get(POOL), 403);
  for (const scope of ['purge-cache:purge-requests::test/pool', 'purge-cache:purge-requests:*']) {
    expect(await ok((await test.client(scope)).get(POOL))).toEqual({ requests: [] });
  }
});

it('purgeRequests takes a pool with a literal or an encoded slash, and a time', async () => {
  for (const path of ['test%2Fpool', 'test/pool', 'test/pool/', 'list/pool']) {
    const response = await fetch(`${test.root.url}/api/purge-cache/v1/purge-cache/${path}`);
    expect([path, response.status]).toEqual([path, 403]); // routed, and refused
  }
  for (const since of ['2026-11-22T12:00:00.000Z', '2026-11-22T12:00:00.123456%2B01:00']) await ok(test.root.get(`${POOL}?since=${since}`));
  for (const since of ['', 'yesterday', '2026-11-22', '2026-02-30T00:00:00Z', `2026-11-22T12:00:00.${'0'.repeat(99)}Z`]) {
    expect(await refused(test.root.get(`${POOL}?since=${since}`), 400)).toContain('since must be an RFC 3339 date-time');
  }
  await refused(test.root.get(`${POOL}?limit=1`), 400);
  for (const pool of ['pool', 'a%2Fb%2Fc', 'test%2FPool']) await refused(test.root.get(`/purge-cache/v1/purge-cache/${pool}`), 400);
});

it('allPurgeRequests wants its scope', async () => {
  for (const api of [test.root.as(), await test.client('purge-cache:purge-requests:*')]) await refused(api.get(ALL), 403);
  expect(await ok((await test.client('purge-cache:all-purge-requests')).get(`${ALL}?limit=1`))).toEqual({ requests: [] });
  await refused(test.root.get(`${ALL}?since=2026-11-22T12:00:00.000Z`), 400);
});

it('answers the unmodified taskcluster-client', async () => {
  const worker = await asTaskcluster('purge-cache:purge-requests::test/pool');
  expect(await worker.purgeRequests('test/pool')).toEqual({ requests: [] });
  expect(await worker.purgeRequests('test/pool', { since: new Date().toISOString() })).toEqual({ requests: [] });
  await expect(worker.purgeRequests('test/other')).rejects.toMatchObject({ statusCode: 403 });
  await expect(worker.allPurgeRequests()).rejects.toMatchObject({ statusCode: 403 });
  expect(await (await asTaskcluster('purge-cache:all-purge-requests')).allPurgeRequests()).toEqual({ requests: [] });
  expect(await worker.ping()).toMatchObject({ alive: true });
  expect(await worker.version()).toMatchObject({ version: expect.any(String) });
  for (const look of ['lbheartbeat', 'heartbeat']) expect(await worker[look]()).toEqual({});
});

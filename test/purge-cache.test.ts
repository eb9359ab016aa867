import { ok, refused } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
});
afterAll(() => test.close());

const POOL = '/purge-cache/v1/purge-cache/test%2Fpool';

it('purgeRequests takes a pool with a literal or an encoded slash, and a time', async () => {
  for (const path of ['test%2Fpool', 'test/pool', 'test/pool/', 'list/pool']) {
    const response = await fetch(`${test.root.url}/api/purge-cache/v1/purge-cache/${path}`);
    expect([path, response.status]).toEqual([path, 403]); // routed, and refused
  }
  for (const since of ['2026-11-22T12:00:00.000Z', '2026-11-22T12:00:00.123456%2B01:00']) await ok(test.root.get(`${POOL}?since=${since}`));
  for (const since of ['', 'yesterday', '2026-11-22', '2026-02-30T00:00:00Z', `2026-11-22T12:00:00.${'0'.repeat(99)}Z`]) {
    expect(await refused(test.root.get(`${POOL}?since=${since}`), 400)).toContain('since must be an RFC 3339 date-time');
  }
  for (const pool of ['pool', 'a%2Fb%2Fc', 'test%2FPool']) await refused(test.root.get(`/purge-cache/v1/purge-cache/${pool}`), 400);
});

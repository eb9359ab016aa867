import { definition, slugid } from './support/api.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
beforeAll(async () => {
  test = await startTestService();
});
afterAll(() => test.close());

it('creates a task', async () => {
  const { status, body } = await test.root.put(`/queue/v1/task/${slugid()}`, definition());
  expect(body.status?.state ?? body).toBe('pending');
  expect(status).toBe(200);
});

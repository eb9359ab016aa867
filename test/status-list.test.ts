import { createLocalJWKSet } from 'jose';
import { World } from './operations/world.js';
import { isEnded as isEndedBy } from './support/ended-token.js';
import { eventually } from './support/service-process.js';
import { JWKS } from './support/signing-keys.js';
import { claimsOf, HERE, postForm, tokenOf } from './support/task-tokens.js';
import { ok } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/* What a verifier sees that never asks about a token. */

let test: TestService;
let world: World;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, rootUrl: HERE, issuerUrl: HERE });
  world = new World(test);
});
afterAll(() => test.close());

async function issued(fields: Record<string, string> = {}) {
  const { params, credentials } = await world.run({ scopes: ['some:*'] });
  const token = await tokenOf(test.root.as(credentials), { audience: 'https://api.example.com', ...fields });
  return { taskId: params.taskId, token, api: test.root.as(credentials) };
}

async function isEnded(token: string, api = test.root): Promise<boolean> {
  const keys = createLocalJWKSet(await ok(api.as().get(JWKS)));
  return isEndedBy(token, async (uri) => ok(api.as().get(uri.slice(HERE.length))), keys);
}

/** Within the five seconds that are promised, less the two that a cache may add. */
async function ends(token: string, api = test.root): Promise<void> {
  const began = performance.now();
  await eventually('the list says so', () => isEnded(token, api));
  expect(performance.now() - began).toBeLessThan(3_000);
}

it.each<[string, (run: Awaited<ReturnType<typeof issued>>) => unknown]>([
  ['its run is completed', ({ taskId }) => world.tasks.report('completed', taskId)],
  ['its task is cancelled', ({ taskId }) => world.tasks.steer('cancel', taskId)],
  ['its run is tried again', ({ taskId }) => world.tasks.report('worker-shutdown', taskId)],
  ['its lease lapses, and no sweep has seen it', ({ taskId }) => world.tasks.lapse(taskId)],
  ['it is revoked', ({ token, api }) => postForm(api, '/oauth/revoke', { token })],
])('a token is good until %s, and no other is touched', async (_, end) => {
  const [run, other] = [await issued(), await issued()];
  expect(await isEnded(run.token)).toBe(false);
  await end(run);
  await ends(run.token);
  expect(await isEnded(other.token)).toBe(false);
});

it('an identity token ends as well, and another replica says so, too', async () => {
  const replica = await test.replica();
  const run = await issued({ requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' });
  expect(await isEnded(run.token, replica.root)).toBe(false);
  await world.tasks.report('completed', run.taskId);
  await Promise.all([ends(run.token), ends(run.token, replica.root)]);
  await replica.close();
});

it('tokens of a key that leaked end, and the list is signed by another one', async () => {
  const { token } = await issued();
  const { keys } = await ok(test.root.get('/auth/v1/keys'));
  const { kid } = keys.find(({ alg, state }: { alg: string; state: string }) => alg === 'ES256' && state === 'active');
  expect(await isEnded(token)).toBe(false);
  await ok(test.root.post(`/auth/v1/keys/${kid}/compromise`));
  await eventually('a list of another key says so', () => isEnded(token).catch(() => false));
});

it('is not made anew for each who asks, nor for nobody', async () => {
  const { token } = await issued();
  await isEnded(token);
  const { uri } = (claimsOf(token).status as { status_list: { uri: string } }).status_list;
  const lists = await Promise.all(Array.from({ length: 50 }, () => test.root.as().get(uri.slice(HERE.length))));
  expect(new Set(lists.map(({ body }) => body)).size).toBeLessThanOrEqual(2);
});

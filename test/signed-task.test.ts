import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLeaseholdClient } from '../src/client/client.js';
import type { SigningRequest } from '../src/client/sign-task-request.js';
import { generateKey } from '../src/signatures/generate-key.js';
import { createSigned } from './examples/signed-task.js';
import { definition, slugid } from './support/api.js';
import { newQueue, setPolicy } from './support/creator.js';
import { startTestService, type TestService } from './support/test-service.js';

/* The example of docs/signatures.md, against the service. */

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-signed-task-'));
const keyFile = path.join(directory, 'creator.key.json');
const key = generateKey('EdDSA');
writeFileSync(keyFile, JSON.stringify(key.privateJwk), { mode: 0o600 });

const AUDIENCE = 'https://tasks.example.com';
const QUEUE = newQueue();

let test: TestService;
beforeAll(async () => {
  test = await startTestService({ signatureAudience: AUDIENCE });
  await setPolicy(test.root, QUEUE, 'require', { version: 1, keys: [key.publicJwk] });
});
afterAll(async () => {
  await test.close();
  rmSync(directory, { recursive: true });
});

const request = (overrides: Record<string, unknown> = {}) =>
  ({ audience: AUDIENCE, taskId: slugid(), definition: definition({ taskQueueId: QUEUE, ...overrides }) }) as unknown as SigningRequest;

it('is what docs/signatures.md shows', () => {
  const [, example] = readFileSync('test/examples/signed-task.ts', 'utf8').split(/^(?=export async function)/m);
  expect(readFileSync('docs/signatures.md', 'utf8')).toContain(`\`\`\`ts\n${example}\`\`\``);
});

it('(73) creates a task that is signed, in the form in which it is stored', async () => {
  const of = request({ scopes: undefined, expires: undefined });
  const status = await createSigned(test.admin, keyFile, of);
  expect(status).toMatchObject({ taskId: of.taskId, state: 'pending', signature: { verdict: 'verified', kid: key.publicJwk.kid } });
});

it('tells what the service refuses', async () => {
  const stranger = createLeaseholdClient({
    rootUrl: test.root.url,
    credentials: () => ({ clientId: 'nobody', accessToken: 'wrong'.repeat(9) }),
  });
  await expect(createSigned(stranger, keyFile, request())).rejects.toThrow(/nobody/);
});

it('sends nothing that cannot be signed', async () => {
  await expect(createSigned(test.admin, keyFile, request({ deadline: undefined }))).rejects.toThrow('The task has no deadline; set it');
});

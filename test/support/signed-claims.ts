import { slugid } from '../../src/credentials/slugid.js';
import { generateKey, type TaskKey } from '../../src/signatures/generate-key.js';
import { readKeySet } from '../../src/signatures/key-set.js';
import { normalForm } from '../../src/signatures/normal-form.js';
import { signTask } from '../../src/signatures/sign-task.js';
import { signerOf } from '../../src/signatures/signer.js';
import type { Definition, SigningContext } from '../../src/signatures/task-payload.js';

export const NOW = 1_800_000_000;
export const AUDIENCE = 'https://tasks.example.com';
export const TASK_QUEUE = 'builds/linux';
export const CREATOR = generateKey('EdDSA', { kid: 'creator' });
export const KEYS = readKeySet(JSON.stringify({ version: 1, keys: [CREATOR.publicJwk] }));

/** What claimWork answers for one task: JSON, of which a hostile queue may make what it likes. */
// biome-ignore lint/suspicious/noExplicitAny: there is nothing to be relied on in it.
export type Claim = any;

/** A definition as a creator would sign it. */
export function definitionOf(payload: object, members: object = {}): Definition {
  const metadata = { name: 'build', description: '', owner: 'a@example.com', source: 'https://example.com/' };
  const [created, deadline] = [NOW, NOW + 3600].map((seconds) => new Date(seconds * 1000).toISOString());
  const given = { taskQueueId: TASK_QUEUE, created, deadline, scopes: ['secrets:get:build'], metadata, payload, ...members };
  return normalForm(slugid(), given);
}

export function signatureOf(definition: Definition, context: Partial<SigningContext> = {}, key: TaskKey = CREATOR): Promise<string> {
  const given = { audience: AUDIENCE, taskId: slugid(), taskQueueId: TASK_QUEUE, iat: NOW, exp: NOW + 3600, maxRuns: 3, ...context };
  return signTask(signerOf(key.privateJwk), given, definition);
}

/** The claim of an honest queue. */
export async function claimOf(definition: Definition, context: Partial<SigningContext> = {}, key?: TaskKey): Promise<Claim> {
  const taskId = context.taskId ?? slugid();
  const run = { runId: 0, state: 'running', workerGroup: 'group', workerId: 'worker' };
  return structuredClone({
    status: { taskId, taskQueueId: TASK_QUEUE, state: 'running', runs: [run] },
    runId: 0,
    workerGroup: 'group',
    workerId: 'worker',
    takenUntil: new Date((NOW + 1200) * 1000).toISOString(),
    task: definition,
    signature: await signatureOf(definition, { ...context, taskId }, key),
    signaturePolicy: 'require',
    credentials: { clientId: `task-client/${taskId}`, accessToken: 'hunter2', certificate: '{}' },
  });
}

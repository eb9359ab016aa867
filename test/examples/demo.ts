import 'reflect-metadata';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import taskcluster from 'taskcluster-client';
import { createLeaseholdClient } from '../../src/client/client.js';
import { readConfig } from '../../src/service/config.js';
import { startService } from '../../src/service/service.js';
import { REGISTRY_SCOPES, runRegistryTask } from './registry-task.js';
import { runSandboxedTask } from './sandboxed-task.js';

/*
 * `npm run demo`: the whole life of a task, driven by the unmodified taskcluster-client, for clients made by the typed one; then a signed task
 * of three steps, run by our own worker; then a step that pushes to a registry and pulls from it without credentials. Uses the service that TASKCLUSTER_ROOT_URL and the credentials beside it name; without them, one of
 * its own that is gone afterwards.
 */

interface Access {
  rootUrl: string;
  /** For which signatures are made. */
  audience: string;
  credentials: { clientId: string; accessToken: string };
  close(): Promise<void>;
}

const QUEUE = 'demo/laptop';
const WORKER = { workerGroup: 'demo', workerId: 'my-laptop' };
const TASK_SCOPES = ['secrets:get:project/demo/*', `assume:worker-id:${WORKER.workerGroup}/${WORKER.workerId}`];
const CREATOR_SCOPES = [
  `queue:create-task:lowest:${QUEUE}`,
  'queue:create-task:project:none',
  'queue:scheduler-id:-',
  ...TASK_SCOPES,
  ...REGISTRY_SCOPES,
];
const WORKER_SCOPES = [`queue:claim-work:${QUEUE}`, `queue:worker-id:${WORKER.workerGroup}/${WORKER.workerId}`];

function say(title: string, facts: Record<string, unknown> = {}): void {
  console.log(`\n${title}`);
  for (const [name, value] of Object.entries(facts)) {
    const lines = Array.isArray(value) ? value : [value];
    for (const [index, line] of lines.entries()) console.log(`  ${(index === 0 ? name : '').padEnd(12)} ${line}`);
  }
}

/** What a caller was told when it was refused. */
async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown: Error & { statusCode?: number; code?: string }) => thrown,
  );
  if (!error) throw new Error('the demo expected a refusal');
  return `${error.statusCode} ${error.code}: ${error.message.split('\n')[0]}`;
}

function lent(claim: { takenUntil: string; credentials: { clientId: string; certificate: string } }) {
  const { scopes, expiry } = JSON.parse(claim.credentials.certificate);
  return { 'lent to': claim.credentials.clientId, scopes, takenUntil: claim.takenUntil, expires: new Date(expiry).toISOString() };
}

/** A new client that holds just these scopes, for an hour. */
async function clientOf({ rootUrl, credentials }: Access, role: string, scopes: string[]): Promise<Access['credentials']> {
  const admin = createLeaseholdClient({ rootUrl, credentials: () => credentials });
  const clientId = `demo/${role}-${taskcluster.slugid()}`;
  const expires = taskcluster.fromNowJSON('1 hour');
  const body = { expires, description: 'made by the demo', deleteOnExpiration: true, scopes };
  const { data, error } = await admin.PUT('/api/auth/v1/clients/{clientId}', { params: { path: { clientId } }, body });
  if (!data) throw new Error(`the client for the ${role} was refused: ${error.message}`);
  return { clientId, accessToken: data.accessToken };
}

async function live(access: Access): Promise<void> {
  const { rootUrl } = access;
  const [creator, worker] = await Promise.all([clientOf(access, 'creator', CREATOR_SCOPES), clientOf(access, 'worker', WORKER_SCOPES)]);
  say('0. An administrator makes two clients: one may create this kind of task, the other may ask for work', {
    creator: CREATOR_SCOPES,
    worker: WORKER_SCOPES,
  });

  const queue = new taskcluster.Queue({ rootUrl, credentials: creator });
  const taskId = taskcluster.slugid();
  await queue.createTask(taskId, {
    taskQueueId: QUEUE,
    created: taskcluster.fromNow('0 seconds'),
    deadline: taskcluster.fromNow('1 hour'),
    scopes: TASK_SCOPES,
    payload: { command: ['echo', 'hello'] },
    metadata: { name: 'demo', description: 'shows what a worker is lent', owner: 'demo@example.com', source: 'https://example.com' },
  });
  say('1. A creator makes a task that may read secrets of project/demo, and asks to be its own worker', { task: taskId });

  const laptop = new taskcluster.Queue({ rootUrl, credentials: worker });
  const { tasks } = await laptop.claimWork(QUEUE, { ...WORKER, tasks: 1 });
  const claim = tasks.find((one: { status: { taskId: string } }) => one.status.taskId === taskId);
  if (!claim) throw new Error(`another task was waiting in ${QUEUE}; run the demo again`);
  say('2. A worker claims it, and is lent credentials of just this run. It does not get to be the worker', {
    fence: claim.fence,
    ...lent(claim),
  });

  const running = new taskcluster.Queue({ rootUrl, credentials: claim.credentials });
  say('3. With them it cannot touch anything else', {
    createTask: await refusal(running.createTask(taskcluster.slugid(), definitionLike())),
  });

  const reclaim = await running.reclaimTask(taskId, claim.runId);
  say('4. It reclaims: the lease moves on, and it is lent fresh credentials', lent(reclaim));

  const last = new taskcluster.Queue({ rootUrl, credentials: reclaim.credentials });
  const { status } = await last.reportCompleted(taskId, claim.runId);
  say('5. It reports the run completed, with the credentials of the run', { state: status.state });

  say('6. From that moment they are dead, all of them', {
    'first set': await refusal(running.task(taskId)),
    'second set': await refusal(last.task(taskId)),
    reclaim: await refusal(last.reclaimTask(taskId, claim.runId)),
  });
  const place = { rootUrl, audience: access.audience, creator, worker, taskQueueId: QUEUE, identity: WORKER };
  await runSandboxedTask(place, say);
  await runRegistryTask(place, say);
}

function definitionLike() {
  return {
    taskQueueId: QUEUE,
    created: taskcluster.fromNow('0 seconds'),
    deadline: taskcluster.fromNow('1 hour'),
    payload: {},
    metadata: { name: 'more', description: '', owner: 'demo@example.com', source: 'https://example.com' },
  };
}

async function access(): Promise<Access> {
  const { TASKCLUSTER_ROOT_URL, TASKCLUSTER_CLIENT_ID, TASKCLUSTER_ACCESS_TOKEN } = process.env;
  if (TASKCLUSTER_ROOT_URL && TASKCLUSTER_CLIENT_ID && TASKCLUSTER_ACCESS_TOKEN) {
    const credentials = { clientId: TASKCLUSTER_CLIENT_ID, accessToken: TASKCLUSTER_ACCESS_TOKEN };
    const audience = process.env.SIGNATURE_AUDIENCE ?? new URL(TASKCLUSTER_ROOT_URL).origin;
    return { rootUrl: TASKCLUSTER_ROOT_URL, audience, credentials, close: async () => undefined };
  }
  const dataDir = mkdtempSync(path.join(tmpdir(), 'leasehold-demo-'));
  const remove = () => rmSync(dataDir, { recursive: true, force: true });
  try {
    return await ownService(dataDir, remove);
  } catch (error) {
    remove();
    throw error;
  }
}

async function ownService(dataDir: string, remove: () => void): Promise<Access> {
  const config = readConfig({ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn' });
  const service = await startService(config);
  const [clientId, accessToken] = ['CLIENT_ID', 'ACCESS_TOKEN'].map((name) => exported(path.join(dataDir, 'credentials.env'), name));
  const close = async () => {
    await service.close();
    remove();
  };
  return {
    rootUrl: service.url,
    audience: config.signatureAudience,
    credentials: { clientId: clientId ?? '', accessToken: accessToken ?? '' },
    close,
  };
}

function exported(file: string, name: string): string | undefined {
  return new RegExp(`^export TASKCLUSTER_${name}=(.*)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
}

const where = await access();
console.log(`Leasehold at ${where.rootUrl}, driven by the unmodified taskcluster-client`);
try {
  await live(where);
  console.log('');
} finally {
  await where.close();
}

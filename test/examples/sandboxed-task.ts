import { spawn } from 'node:child_process';
import { once } from 'node:events';
import taskcluster from 'taskcluster-client';
import { createLeaseholdClient } from '../../src/client/client.js';
import { signTaskRequest, type TaskRequest } from '../../src/client/sign-task-request.js';
import { generateKey } from '../../src/signatures/generate-key.js';
import { signerOf } from '../../src/signatures/signer.js';
import { hasSandboxes, isReadable, unprivileged } from '../support/unprivileged.js';
import { Home, PROGRAM, Worker } from './demo-worker.js';
import { artifactOf, type Place, resolved, type Say } from './place.js';

/* The second half of the demo: our own worker runs a signed task of three steps, and what it leaves is verified. */

const PAYLOAD = {
  version: 1,
  maxRunTime: 60,
  steps: [
    { name: 'build', script: 'echo building; echo "the artifact" > app.txt; printf 1.0 > $TASK_RESULTS/version', results: ['version'] },
    {
      name: 'forge',
      script: [
        'echo "a step that would like to be believed:"',
        'for file in run/0/status/exitCode run/1/status/exitCode tools/0 run/1/out; do file=$TASK_CONTROL/$file',
        '  (echo 0 > $file) 2>/dev/null && echo "  wrote $file" || echo "  $file: refused"; done',
        'echo "  other processes here: $(ls /proc | grep -c "^[0-9]*$") in all; network: $(ls /sys/class/net 2>/dev/null || echo none)"',
        'exit 3',
      ].join('\n'),
      onError: 'continue',
      workspace: 'ro',
    },
    {
      name: 'report',
      script: 'printf "build $VERSION, step forge ended with $(cat $TASK_CONTROL/steps/forge/exitCode)" > $TASK_RESULTS/summary',
      env: { VERSION: '$(steps.build.results.version)' },
      when: { status: 'always' },
      results: ['summary'],
    },
  ],
  artifacts: [{ name: 'public/app.txt', path: 'app.txt' }],
};

/** Runs it by a worker of its own. Where the machine has no sandboxes the steps run without, and that is said. */
export async function runSandboxedTask(place: Place, say: Say): Promise<void> {
  const problem = isReadable(PROGRAM) ? undefined : 'only root can read this project, and sandboxes are made by another user';
  const isolation = hasSandboxes && problem === undefined ? 'bubblewrap' : 'none';
  if (isolation === 'none')
    say('NOT ISOLATED: there are no sandboxes here, so the steps that follow can do what their worker can', {
      fix: problem ?? 'apt-get install bubblewrap busybox-static, on Linux',
    });
  const home = new Home(isolation === 'none' ? {} : unprivileged);
  try {
    await live(place, home, isolation, say);
  } finally {
    home.remove();
  }
}

async function live(place: Place, home: Home, isolation: 'bubblewrap' | 'none', say: Say): Promise<void> {
  const [creator, receipts] = [generateKey('EdDSA'), generateKey('ES256')];
  home.put('creators.jwks.json', { version: 1, keys: [creator.publicJwk] });
  home.put('receipts.key.json', receipts.privateJwk);
  const workersKeys = home.put('workers.jwks.json', { version: 1, keys: [receipts.publicJwk] });
  const config = home.put('worker.json', {
    ...{ rootUrl: place.rootUrl, credentials: place.worker, ...place.identity, taskQueues: [place.taskQueueId] },
    ...{ stateDir: 'state', isolation, liveLog: {}, receiptKey: 'receipts.key.json' },
    signatures: { policy: 'require', keySet: 'creators.jwks.json', audience: place.audience },
  });
  const worker = new Worker(config, home.user);
  try {
    await worker.claims();
    say(`7. Our own worker asks for work: it runs signed tasks only, and isolates their steps by ${isolation}`, {
      config: 'leasehold worker --config worker.json',
    });
    await followed(place, signerOf(creator.privateJwk), workersKeys, say);
  } finally {
    await worker.end();
  }
}

async function followed(place: Place, signer: ReturnType<typeof signerOf>, workersKeys: string, say: Say): Promise<void> {
  const { rootUrl, audience, creator } = place;
  const client = createLeaseholdClient({ rootUrl, credentials: () => creator });
  const taskId = taskcluster.slugid();
  const params = { path: { taskId } };
  const body = await signTaskRequest(signer, { audience, taskId, definition: definitionFor(place.taskQueueId) });
  const { error } = await client.PUT('/api/queue/v1/task/{taskId}', { params, body });
  if (error) throw new Error(error.message);
  say('8. The creator signs a task of three steps; the second one tries to forge what became of the first, and of itself', {
    task: taskId,
  });
  const state = await resolved(place, taskId);
  const artifact = (name: string) => artifactOf(place, taskId, name);
  const record = (await (await fetch(artifact('public/run.json'))).json()) as RunRecord;
  const log = await (await fetch(artifact('public/logs/live.log'))).text();
  say('9. The worker resolves it, by what the kernel told', {
    state,
    steps: record.steps.map(({ name, reason, exitCode }) => `${name.padEnd(8)} ${reason}, exit code ${exitCode}`),
    results: Object.entries(record.results).map(([name, { step, value }]) => `${name} = ${JSON.stringify(value)}, by ${step}`),
    log: [
      artifact('public/logs/live.log'),
      ...log
        .trimEnd()
        .split('\n')
        .map((line) => `| ${line}`),
    ],
  });
  const { text, exitCode } = await verified(place, taskId, workersKeys);
  say(`10. Anybody can check the receipt that the worker signed: leasehold verify-run ${taskId}`, { receipt: text.trimEnd().split('\n') });
  if (state !== 'completed' || exitCode !== 0) throw new Error(`the task is ${state}, and verify-run ended with ${exitCode}`);
}

interface RunRecord {
  steps: { name: string; reason: string; exitCode: number }[];
  results: Record<string, { step: string; value: unknown }>;
}

function definitionFor(taskQueueId: string): TaskRequest {
  return {
    taskQueueId,
    created: taskcluster.fromNowJSON('0 seconds'),
    deadline: taskcluster.fromNowJSON('1 hour'),
    payload: PAYLOAD,
    metadata: { name: 'steps', description: 'three steps in sandboxes', owner: 'demo@example.com', source: 'https://example.com' },
  };
}

async function verified(place: Place, taskId: string, keys: string): Promise<{ text: string; exitCode: number }> {
  const { rootUrl, creator } = place;
  const env = { TASKCLUSTER_ROOT_URL: rootUrl, TASKCLUSTER_CLIENT_ID: creator.clientId, TASKCLUSTER_ACCESS_TOKEN: creator.accessToken };
  const child = spawn(process.execPath, [PROGRAM, 'verify-run', taskId, '--keys', keys], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more: string) => (text += more));
  const [exitCode] = await once(child, 'close');
  return { text, exitCode };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import taskcluster from 'taskcluster-client';
import { createLeaseholdClient } from '../../src/client/client.js';
import { signTaskRequest, type TaskRequest } from '../../src/client/sign-task-request.js';
import { generateKey } from '../../src/signatures/generate-key.js';
import { signerOf } from '../../src/signatures/signer.js';
import { hasSandboxes, isReadable, unprivileged } from '../support/unprivileged.js';

/* The second half of the demo: our own worker runs a signed task of three steps, and what it leaves is verified. */

export interface Place {
  rootUrl: string;
  audience: string;
  creator: Credentials;
  worker: Credentials;
  taskQueueId: string;
  /** Of the worker. */
  identity: { workerGroup: string; workerId: string };
}
interface Credentials {
  clientId: string;
  accessToken: string;
}
type Say = (title: string, facts?: Record<string, unknown>) => void;

const PROGRAM = path.resolve('dist/src/cli/leasehold.js');
const READY_WITHIN_MS = 20_000;
const DONE_WITHIN_MS = 60_000;
const ENDS_WITHIN_MS = 15_000;

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
    await worker.says('The worker claims', READY_WITHIN_MS);
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
  const state = await resolved(async () => (await client.GET('/api/queue/v1/task/{taskId}/status', { params })).data?.status.state);
  const artifact = (name: string) => `${rootUrl}/api/queue/v1/task/${taskId}/runs/0/artifacts/${name}`;
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

async function resolved(stateNow: () => Promise<string | undefined>): Promise<string> {
  const until = Date.now() + DONE_WITHIN_MS;
  for (;;) {
    const state = await stateNow();
    if (state !== undefined && !['unscheduled', 'pending', 'running'].includes(state)) return state;
    if (Date.now() > until) throw new Error(`the task is still ${state} after ${DONE_WITHIN_MS / 1000} s`);
    await sleep(200);
  }
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

/** What the worker has on disk, in a directory that nobody else can enter. */
class Home {
  private readonly directory = mkdtempSync(path.join(tmpdir(), 'leasehold-demo-worker-'));

  constructor(readonly user: typeof unprivileged) {
    this.give(this.directory);
  }

  put(name: string, content: object): string {
    const file = path.join(this.directory, name);
    writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
    this.give(file);
    return file;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private give(place: string): void {
    const { uid, gid } = this.user;
    if (uid !== undefined && gid !== undefined) chownSync(place, uid, gid);
  }
}

/** `leasehold worker`, and what it says. */
class Worker {
  private readonly child;
  private readonly ended;
  private readonly said: string[] = [];

  constructor(config: string, user: typeof unprivileged) {
    const { PATH = '' } = process.env;
    this.child = spawn(process.execPath, [PROGRAM, 'worker', '--config', config], {
      ...{ ...user, cwd: '/', env: { PATH } },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.ended = once(this.child, 'close');
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.said.push(line));
  }

  async says(message: string, withinMs: number): Promise<void> {
    for (const until = Date.now() + withinMs; !this.said.some((line) => line.includes(message)); await sleep(50))
      if (this.child.exitCode !== null || Date.now() > until) throw new Error(`the worker did not begin:\n${this.said.join('\n')}`);
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), ENDS_WITHIN_MS);
    await this.ended;
    clearTimeout(late);
  }
}

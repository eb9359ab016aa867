import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateKey } from '../src/signatures/generate-key.js';
import { verifyReceipt } from '../src/worker/receipt/verify-receipt.js';
import { type Answer, type Api, slugid } from './support/api.js';
import { Creator, keySetJson, keySetOf, newQueue } from './support/creator.js';
import { eventually, freePort, isAlive } from './support/service-process.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import { describeSandboxed, hasSandboxes, unprivileged } from './support/unprivileged.js';
import { WorkerHome, WorkerProcess } from './support/worker-process.js';

/* The worker as a process, against the service as it is. */

let service: TestService;
let worker: Api;
let tasks: Tasks;
const homes: WorkerHome[] = [];
const AUDIENCE = 'https://tasks.example.com';

beforeAll(async () => {
  service = await startTestService({ signatureAudience: AUDIENCE, claimPoll: 5, sweepInterval: 0.2 });
  worker = await service.client('queue:claim-work:*', 'queue:worker-id:*');
  tasks = new Tasks(service.root, service.database);
});
afterAll(async () => {
  for (const home of homes) home.remove();
  await service.close();
});

function homeFor(taskQueues: string[], members: object = {}, api = worker): WorkerHome {
  const home = new WorkerHome(api, taskQueues, members);
  homes.push(home);
  return home;
}

const step = (name: string, script: string, members: object = {}) => ({ name, command: ['sh', '-c', script], ...members });
const payload = (steps: object[], members: object = {}) => ({ version: 1, maxRunTime: 60, steps, ...members });
const FOREVER = step('wait', 'echo begun; exec sleep 1000');

async function resolved(taskId: string, withinMs = 15_000): Promise<Answer['body']> {
  await eventually(`task ${taskId} is resolved`, async () => /completed|failed|exception/.test(await tasks.state(taskId)), withinMs, 50);
  return tasks.status(taskId);
}

const run = (taskId: string, runId = 0) => `/queue/v1/task/${taskId}/runs/${runId}`;

async function artifact(taskId: string, name: string, runId = 0): Promise<string> {
  const { headers, status } = await service.root.get(`${run(taskId, runId)}/artifacts/${encodeURIComponent(name)}`);
  if (status !== 303) throw new Error(`artifact ${name} of ${taskId}: ${status}`);
  return (await fetch(headers.location!)).text();
}

const logOf = (taskId: string, runId = 0) => artifact(taskId, 'public/logs/live.log', runId);
const recordOf = async (taskId: string) => JSON.parse(await artifact(taskId, 'public/run.json'));

/** What comes of the log of a run that is under way, by way of the queue. */
async function reading(taskId: string): Promise<{ text: string; isOver: boolean }> {
  const { headers } = await service.root.get(`${run(taskId)}/artifacts/public%2Flogs%2Flive.log`);
  const { body } = await fetch(headers.location!);
  const read = { text: '', isOver: false };
  void (async () => {
    for await (const chunk of body!) read.text += Buffer.from(chunk).toString();
    read.isOver = true;
  })();
  return read;
}

/** Processes of a step that was started in that way. */
const sleepers = (seconds: number) =>
  spawnSync('pgrep', ['-f', `^sleep ${seconds}$`], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(Boolean)
    .map(Number);

describe.each(hasSandboxes ? ['none', 'bubblewrap'] : ['none'])('isolation %s', (isolation) => {
  it('(84) runs the steps of tasks, keeps what they leave, and says how they were isolated', async () => {
    const taskQueueId = newQueue();
    const secrets = { deploy: { value: 'hunter2-hunter2' }, other: { value: 'correct-horse' } };
    const home = homeFor([taskQueueId], { isolation, secrets, capacity: 2, liveLog: {}, receiptKey: 'receipts.json' });
    const receipts = generateKey('EdDSA', { kid: 'worker' });
    home.put('receipts.json', receipts.privateJwk);
    await using process = new WorkerProcess(home);
    const steps = [
      step('make', 'echo made > "$TASK_WORKSPACE/out.txt"; printf 1.2.3 > "$TASK_RESULTS/version"', { results: ['version'] }),
      step('use', 'cat "$TASK_WORKSPACE/out.txt"; echo "$VERSION $TOKEN $TASK_ID/$RUN_ID $GREETING"', {
        env: { VERSION: '$(steps.make.results.version)' },
        secrets: [{ name: 'deploy', env: 'TOKEN' }],
      }),
      step('ask', 'curl -s --unix-socket "$TASK_PROXY_SOCKET" "http://proxy/api/queue/v1/task/$TASK_ID/status" | head -c 12', {
        network: 'proxy',
      }),
    ];
    const artifacts = [{ name: 'public/out.txt', path: 'out.txt' }];
    const wanted = payload(steps, { artifacts, env: { GREETING: 'hello' } });
    const taskId = await tasks.create({ taskQueueId, payload: wanted, scopes: ['secrets:get:deploy', 'queue:status:*'] });
    const failing = await tasks.create({
      taskQueueId,
      payload: payload([step('fail', 'echo correct-horse; exit 3'), step('never', 'true')]),
    });

    expect(await resolved(taskId)).toMatchObject({ state: 'completed', runs: [{ signature: { verdict: 'unchecked' } }] });
    const record = await recordOf(taskId);
    expect(record).toMatchObject({
      ...{ taskId, runId: 0, taskQueueId, isolation, outcome: 'succeeded', worker: { group: 'group', id: 'worker' } },
      results: { version: { step: 'make', value: '1.2.3' } },
      steps: [
        { name: 'make', reason: 'Completed', exitCode: 0 },
        { name: 'use', reason: 'Completed' },
        { name: 'ask', network: 'proxy' },
      ],
    });
    expect(await artifact(taskId, 'public/out.txt')).toBe('made\n');
    const { statement } = verifyReceipt(JSON.parse(await artifact(taskId, 'public/receipt.json')), keySetOf(receipts), Date.now() / 1000);
    expect(statement.subject.map(({ name }) => name).sort()).toEqual(['public/logs/live_backing.log', 'public/out.txt', 'public/run.json']);
    const log = await logOf(taskId);
    expect(log).toContain('[leasehold] step ask begins\n{"status":{"\n[leasehold] step ask: Completed, exit code 0\n');
    expect(log).toContain(`made\n1.2.3 [redacted] ${taskId}/0 hello\n`);
    expect(log).toContain(isolation === 'none' ? 'isolation: NONE' : 'isolation: bubblewrap');

    expect(await resolved(failing)).toMatchObject({ state: 'failed' });
    expect((await recordOf(failing)).steps).toMatchObject([{ exitCode: 3, reason: 'Failed' }, { reason: 'Skipped' }]);
    expect(await logOf(failing)).toContain('step fail: Failed, exit code 3');
    expect(await logOf(failing)).toContain(isolation === 'none' ? '\n[redacted]\n' : '\ncorrect-horse\n'); // which steps can read, or not

    process.signal('SIGTERM');
    expect(await process.end()).toEqual({ code: 0, signal: null });
    expect(process.said(/ISOLATION IS OFF/)).toHaveLength(isolation === 'none' ? 1 : 0);
    expect(JSON.stringify(process.entries)).not.toMatch(/hunter2|accessToken/);
    expect([home.tasks, process.stderr]).toEqual([[], '']);
  });

  it('what a step leaves by the names of the worker is not kept, and the receipt says how the run ended', async () => {
    const taskQueueId = newQueue();
    const receipts = generateKey('EdDSA', { kid: 'worker' });
    const home = homeFor([taskQueueId], { isolation, receiptKey: 'receipts.json' });
    home.put('receipts.json', receipts.privateJwk);
    await using process = new WorkerProcess(home);
    const forge =
      'mkdir -p out/logs; for name in receipt.json run.json logs/live_backing.log; do echo forged > out/$name; done; echo > out/ok';
    const artifacts = [{ name: 'public', path: 'out', type: 'directory' }];
    const taskId = await tasks.create({ taskQueueId, payload: payload([step('forge', forge)], { artifacts }) });
    expect(await resolved(taskId)).toMatchObject({ state: 'failed' });
    const record = await recordOf(taskId);
    expect([record.outcome, record.missingArtifacts.map(({ name }: { name: string }) => name)]).toEqual([
      'failed',
      ['public/logs/live_backing.log', 'public/receipt.json', 'public/run.json'],
    ]);
    const { statement } = verifyReceipt(JSON.parse(await artifact(taskId, 'public/receipt.json')), keySetOf(receipts), Date.now() / 1000);
    expect(statement.predicate.buildDefinition.internalParameters.outcome).toBe('failed');
    expect(statement.subject.map(({ name }) => name).sort()).toEqual(['public/logs/live_backing.log', 'public/ok', 'public/run.json']);
    process.signal('SIGTERM');
    await process.end();
  });

  it('(50) a run that is cancelled stops at once; its log was seen while it ran, and is kept', async () => {
    const taskQueueId = newQueue();
    const home = homeFor([taskQueueId], { isolation, liveLog: {}, receiptKey: 'receipts.json' });
    const receipts = generateKey('ES256', { kid: 'worker' });
    home.put('receipts.json', receipts.privateJwk);
    await using process = new WorkerProcess(home);
    // an n may begin a token, and is held back until more is printed; a dot is in none
    const taskId = await tasks.create({ taskQueueId, payload: payload([step('wait', 'echo begun; echo .; exec sleep 1001')]) });
    await process.says('A step has started', { taskId });
    await eventually('the step runs', () => sleepers(1001).length > 0);
    const live = await reading(taskId);
    await eventually('what it printed can be read', () => live.text.includes('\nbegun\n'));
    expect(live.isOver).toBe(false);
    await ok(tasks.steer('cancel', taskId));
    const at = performance.now();
    await process.says(/^The run stops/, { taskId, reason: 'cancelled' });
    await eventually('the step is gone', () => sleepers(1001).length === 0);
    expect(performance.now() - at).toBeLessThan(2_000);
    await process.says('A run has ended', { taskId, reported: 'nothing' });
    await eventually('the reader is told the end', () => live.isOver);
    expect(await logOf(taskId)).toMatch(/begun\n(.*\n)*.*stopped: the queue has ended it \(canceled\)/);
    expect((await tasks.status(taskId)).runs).toMatchObject([{ state: 'exception', reasonResolved: 'canceled' }]);
    expect(await recordOf(taskId)).toMatchObject({ isolation, outcome: 'stopped', steps: [{ name: 'wait', reason: 'Cancelled' }] });
    const { statement } = verifyReceipt(JSON.parse(await artifact(taskId, 'public/receipt.json')), keySetOf(receipts), Date.now() / 1000);
    expect(statement.predicate.buildDefinition.internalParameters).toMatchObject({ isolation, outcome: 'stopped' });
  });

  it('(49) a worker that was killed leaves nothing that the next one does not clear away, before it claims', async () => {
    const taskQueueId = newQueue();
    const home = homeFor([taskQueueId], { isolation });
    {
      await using process = new WorkerProcess(home);
      const script = 'mkdir -p "$TASK_WORKSPACE/a/b"; chmod 000 "$TASK_WORKSPACE/a"; exec sleep 1002';
      const taskId = await tasks.create({ taskQueueId, payload: payload([step('wait', script)]) });
      await process.says('A step has started', { taskId });
      await eventually('the step runs', () => sleepers(1002).length > 0);
      process.signal('SIGKILL');
      await process.end();
    }
    expect(home.tasks).toHaveLength(1);
    const workDir = home.at('state', 'tasks', home.tasks[0]!);
    const left = spawn('sleep', ['1003'], { ...unprivileged, env: { LEASEHOLD_TASK: workDir, PATH: '/bin:/usr/bin' }, stdio: 'ignore' });
    const other = spawn('sleep', ['1003'], {
      ...unprivileged,
      env: { LEASEHOLD_TASK: '/elsewhere', PATH: '/bin:/usr/bin' },
      stdio: 'ignore',
    });
    const gone = once(left, 'exit');
    await using next = new WorkerProcess(home);
    await next.says('The worker claims');
    expect(next.said(/former life/)[0]).toMatchObject({ level: 'warn', removed: 1 });
    expect(await gone).toEqual([null, 'SIGKILL']);
    expect([home.tasks, sleepers(1002), isAlive(other.pid!)]).toEqual([[], [], true]);
    other.kill();
  });
});

describeSandboxed('a step', () => {
  it('(26, 56, 60) reaches no file of the worker, no key, no token and no credentials of the run', async () => {
    const taskQueueId = newQueue();
    const home = homeFor([taskQueueId], { isolation: 'bubblewrap', receiptKey: 'receipts.json' });
    const { privateJwk } = generateKey('EdDSA', { kid: 'worker' });
    home.put('receipts.json', privateJwk);
    await using _ = new WorkerProcess(home, [], { SSH_AUTH_SOCK: home.at('agent') });
    const notThere = [home.directory, home.config, home.at('receipts.json'), '/root', '/home', '/run', '/var', '/etc/shadow'];
    // a pattern that is not what it finds: the script itself is in the sandbox, too
    const patterns = [privateJwk.d as string, worker.credentials!.accessToken, '"certificate"', 'SSH_AUTH_SOCK'].map(
      (secret) => `[${secret[0]}]${secret.slice(1)}`,
    );
    const script = [
      ...notThere.map((place) => `[ ! -e ${place} ] || echo "REACHED ${place}"`),
      ...patterns.map((pattern) => `! grep -rsqe '${pattern}' /tekton /workspace /tmp /dev/shm || echo "FOUND on disk"`),
      ...patterns.map((pattern) => `! grep -aqse '${pattern}' /proc/[0-9]*/environ /proc/[0-9]*/cmdline || echo "FOUND in a process"`),
      'echo looked',
    ].join('\n');
    const taskId = await tasks.create({ taskQueueId, payload: payload([{ name: 'look', script, network: 'proxy' }]) });
    expect(await resolved(taskId)).toMatchObject({ state: 'completed' });
    expect(await logOf(taskId)).toContain('looked\n');
    expect(await logOf(taskId)).not.toMatch(/REACHED|FOUND/);
    for (const name of ['public/run.json', 'public/receipt.json', 'public/logs/live.log'])
      expect(await artifact(taskId, name)).not.toContain(privateJwk.d);
  });

  it('is told the credentials of its run where its task may have them, which the log does not show, and all that is left tells', async () => {
    const taskQueueId = newQueue();
    const receipts = generateKey('EdDSA', { kid: 'worker' });
    const home = homeFor([taskQueueId], { isolation: 'bubblewrap', receiptKey: 'receipts.json' });
    home.put('receipts.json', receipts.privateJwk);
    await using _ = new WorkerProcess(home);
    const script =
      'curl -sS -w "%{http_code}\\n" http://taskcluster/credentials | tee told; cut -d, -f2 told; [ ! -s told ] || wc -l <told';
    const steps = [{ name: 'ask', script, network: 'proxy', proxyUrl: true }];
    const features = { credentials: true };
    const [may, hasNotAsked, hasNoScope] = await Promise.all([
      tasks.create({ taskQueueId, scopes: ['proxy:credentials'], payload: payload(steps, { features }) }),
      tasks.create({ taskQueueId, scopes: ['proxy:credentials'], payload: payload(steps) }),
      tasks.create({ taskQueueId, payload: payload(steps, { features }) }),
    ]);
    expect(await resolved(may)).toMatchObject({ state: 'completed' });
    const log = await logOf(may);
    expect(log).toContain('"accessToken":"[redacted]"');
    expect(log).toMatch(/"clientId":".*"certificate":/);
    expect(log).toContain('proxy: a step was told the credentials of the run\n');
    expect(await recordOf(may)).toMatchObject({ credentialsLent: true });
    const read = async (taskId: string) =>
      verifyReceipt(JSON.parse(await artifact(taskId, 'public/receipt.json')), keySetOf(receipts), Date.now() / 1000).statement;
    expect((await read(may)).predicate.buildDefinition.internalParameters).toMatchObject({ credentialsLent: true });
    expect(await resolved(hasNotAsked)).toMatchObject({ state: 'completed' });
    expect(await logOf(hasNotAsked)).toContain('"code":"ResourceNotFound"');
    expect(await recordOf(hasNotAsked)).not.toHaveProperty('credentialsLent');
    expect((await read(hasNotAsked)).predicate.buildDefinition.internalParameters).not.toHaveProperty('credentialsLent');
    expect(await resolved(hasNoScope)).toMatchObject({ runs: [{ reasonResolved: 'malformed-payload' }] });
    expect(await logOf(hasNoScope)).toContain('payload.features.credentials needs the scope proxy:credentials');
  });

  it('(77) finds nothing of the task before', async () => {
    const taskQueueId = newQueue();
    await using _ = new WorkerProcess(homeFor([taskQueueId], { isolation: 'bubblewrap' }));
    const places = '"$TASK_WORKSPACE" "$TASK_RESULTS" "$HOME" /tmp /dev/shm';
    const leave = `for place in ${places}; do echo x > "$place/left"; done; perl -e 'shmget(77, 9, 0666 | 01000) // die; msgget(77, 0666 | 01000) // die'; (setsid sleep 1008 &)`;
    const look = `ls -A ${places} | grep left || echo nothing; perl -e 'print defined shmget(77, 9, 0) || defined msgget(77, 0) ? "IPC" : "none"'`;
    for (const [script, text] of [
      [leave, 'the task has succeeded'],
      [look, 'nothing\nnone'],
    ]) {
      const taskId = await tasks.create({ taskQueueId, payload: payload([step('a', script!)]) });
      expect(await resolved(taskId)).toMatchObject({ state: 'completed' });
      expect(await logOf(taskId)).toContain(text);
      expect(sleepers(1008)).toEqual([]);
    }
  });
});

describe('what is not run', () => {
  let home: WorkerHome;
  let process: WorkerProcess;
  const taskQueueId = newQueue();
  const creator = new Creator(AUDIENCE);
  const strict = newQueue();
  let signing: WorkerProcess;

  beforeAll(async () => {
    home = homeFor([taskQueueId]);
    process = new WorkerProcess(home);
    const signatures = { policy: 'require', keySet: 'keys.json', audience: AUDIENCE };
    const strictHome = homeFor([strict], { signatures });
    strictHome.put('keys.json', keySetJson(1, creator));
    signing = new WorkerProcess(strictHome);
    await process.says('The worker claims');
    await signing.says('The worker claims');
  });
  afterAll(async () => {
    await process[Symbol.asyncDispose]();
    await signing[Symbol.asyncDispose]();
  });

  it('(14) a malformed payload is told by the path of the member, in the log', async () => {
    const taskId = await tasks.create({ taskQueueId, payload: payload([{ name: 'Build', command: ['true'] }]) });
    expect(await resolved(taskId)).toMatchObject({ state: 'exception', runs: [{ reasonResolved: 'malformed-payload' }] });
    expect(await logOf(taskId)).toMatch(/malformed payload: payload\.steps\[0\]\.name must/);
  });

  it('what is private stays so, also where the rest is malformed', async () => {
    const taskId = await tasks.create({ taskQueueId, payload: { features: { private: true } } });
    await resolved(taskId);
    expect(await artifact(taskId, 'private/logs/live.log')).toMatch(/malformed payload: payload\.version must be 1/);
    await expect(logOf(taskId)).rejects.toThrow(/404/);
  });

  it('(84) a task that demands isolation is not run where there is none', async () => {
    const taskId = await tasks.create({ taskQueueId, payload: payload([FOREVER], { features: { isolation: 'required' } }) });
    expect(await resolved(taskId)).toMatchObject({ state: 'exception', runs: [{ reasonResolved: 'resource-unavailable' }] });
    expect(await logOf(taskId)).toContain('The task demands that its steps are isolated');
  });

  it('(79) the network of the host is only for whom the worker allows it', async () => {
    const taskId = await tasks.create({ taskQueueId, payload: payload([{ ...FOREVER, network: 'host' }]) });
    expect(await resolved(taskId)).toMatchObject({ state: 'exception', runs: [{ reasonResolved: 'resource-unavailable' }] });
    expect(await logOf(taskId)).toContain('Step wait asks for network host; this worker has none and proxy');
  });

  it('(57) a secret without its scope is told by its path', async () => {
    const steps = [step('use', 'true', { secrets: [{ name: 'deploy', env: 'TOKEN' }] })];
    const taskId = await tasks.create({ taskQueueId, payload: payload(steps) });
    expect(await resolved(taskId)).toMatchObject({ runs: [{ reasonResolved: 'malformed-payload' }] });
    expect(await logOf(taskId)).toContain('payload.steps[0].secrets[0].name needs the scope secrets:get:deploy');
  });

  it('(57) a secret that this worker has not may be had elsewhere, and who may not have it is not told', async () => {
    const steps = [step('use', 'true', { secrets: ['deploy', 'other'].map((name) => ({ name, file: name })) })];
    const taskId = await tasks.create({ taskQueueId, payload: payload(steps), scopes: ['secrets:get:*'] });
    expect(await resolved(taskId)).toMatchObject({ state: 'exception', runs: [{ reasonResolved: 'resource-unavailable' }] });
    expect(await logOf(taskId)).toContain('The task asks for secrets that this worker has not (secrets): deploy, other\n');
    const other = await tasks.create({ taskQueueId, payload: payload(steps), scopes: ['secrets:get:other'] });
    expect(await resolved(other)).toMatchObject({ runs: [{ reasonResolved: 'malformed-payload' }] });
    expect(await logOf(other)).not.toContain('has not');
  });

  it('a task that is not signed, or that was changed, ends before anything else is done; one that is signed is run', async () => {
    const unsigned = await tasks.create({ taskQueueId: strict, payload: payload([step('a', 'true')]) });
    expect(await resolved(unsigned)).toMatchObject({ state: 'exception', runs: [{ reasonResolved: 'signature-missing' }] });
    expect((await ok(service.root.get(`${run(unsigned)}/artifacts`))).artifacts).toEqual([]);
    const { taskId, body, jws } = await creator.signed({ taskQueueId: strict, payload: payload([step('a', 'true')]) });
    await ok(tasks.put(taskId, { ...body, signature: jws }));
    expect(await resolved(taskId)).toMatchObject({ state: 'completed', runs: [{ signature: { verdict: 'verified', kid: 'creator' } }] });
    expect(await recordOf(taskId)).toMatchObject({ signature: { verdict: 'verified', kid: 'creator' }, isolation: 'none' });
  });

  it('a worker whose disk fails blames no task: it is tried again', async () => {
    const queue = newQueue();
    const broken = homeFor([queue], { workDir: 'work' });
    broken.makeDirectory('work');
    await using own = new WorkerProcess(broken);
    await own.says('The worker claims');
    broken.remove(); // nothing can be made in it
    const taskId = await tasks.create({ taskQueueId: queue, payload: payload([step('a', 'true')]), retries: 1 });
    await own.says('The worker has failed', { taskId });
    await own.says('A run has ended', { taskId, reported: 'intermittent-task' });
    expect(await tasks.status(taskId)).toMatchObject({ runs: [{ reasonResolved: 'intermittent-task' }, { state: 'pending' }] });
    await own.says(/^No work is claimed until this is mended/, { level: 'error' });
  });
});

describe('a claim is kept', () => {
  it('(50) a lease that is lost stops the run at once, and nothing is reported', async () => {
    const taskQueueId = newQueue();
    await using process = new WorkerProcess(homeFor([taskQueueId]));
    const taskId = await tasks.create({ taskQueueId, payload: payload([step('wait', 'echo begun; exec sleep 1004')]), retries: 0 });
    await eventually('the step runs', () => sleepers(1004).length > 0, 15_000);
    await tasks.lapse(taskId);
    await process.says(/^The run stops/, { taskId, reason: 'lost' });
    await process.says('A run has ended', { taskId, reported: 'nothing' });
    expect(sleepers(1004)).toEqual([]);
    expect((await tasks.status(taskId)).runs).toMatchObject([{ reasonResolved: 'claim-expired' }]);
    expect(await logOf(taskId)).toContain('begun\n');
  });

  it('(50) a deadline that passes stops the run', async () => {
    const taskQueueId = newQueue();
    await using process = new WorkerProcess(homeFor([taskQueueId]));
    const deadline = new Date(Date.now() + 4_000).toISOString();
    const taskId = await tasks.create({ taskQueueId, payload: payload([step('wait', 'exec sleep 1005')]), deadline });
    await process.says('A step has started', { taskId });
    const stopped = await process.says(/^The run stops/, { taskId, reason: 'deadline' });
    expect(Date.parse(stopped.time)).toBeGreaterThanOrEqual(Date.parse(deadline) - 100);
    await eventually('the step is gone', () => sleepers(1005).length === 0);
  });

  it('a lease is extended early, and what is done afterwards is done with the new credentials', async () => {
    const short = await service.replica({ claimTimeout: 3, claimPoll: 1 });
    try {
      const taskQueueId = newQueue();
      const api = new Tasks(short.root, service.database);
      await using process = new WorkerProcess(homeFor([taskQueueId], {}, short.root.as(worker.credentials)));
      const taskId = await api.create({ taskQueueId, payload: payload([step('wait', 'sleep 4; echo done')]) });
      expect(await resolved(taskId)).toMatchObject({ state: 'completed', runs: [{ state: 'completed' }] });
      expect(process.said('The lease was extended', { taskId }).length).toBeGreaterThanOrEqual(2);
      expect(await logOf(taskId)).toContain('done\n');
    } finally {
      await short.close();
    }
  });

  it('(45) steps that take longer than the task may are stopped, and the task has failed', async () => {
    const taskQueueId = newQueue();
    await using _ = new WorkerProcess(homeFor([taskQueueId]));
    const steps = [step('wait', 'exec sleep 1006'), step('tidy', 'echo tidied', { when: { status: 'always' } })];
    const taskId = await tasks.create({ taskQueueId, payload: payload(steps, { maxRunTime: 1 }) });
    expect(await resolved(taskId)).toMatchObject({ state: 'failed' });
    expect((await recordOf(taskId)).steps).toMatchObject([{ reason: 'TimeoutExceeded' }, { reason: 'Completed' }]);
  });
});

describe('capacity', () => {
  it('never more run at once than there is room for, of two task queues', async () => {
    const queues = [newQueue(), newQueue()];
    const home = homeFor(queues, { capacity: 2 });
    await using process = new WorkerProcess(home);
    const made = await Promise.all(
      [0, 1, 0, 1, 0].map((at) => tasks.create({ taskQueueId: queues[at]!, payload: payload([step('a', 'sleep 0.3')]) })),
    );
    for (const taskId of made) expect(await resolved(taskId, 25_000)).toMatchObject({ state: 'completed', runs: [{}] });
    await eventually('all have ended', () => process.said('A run has ended').length === made.length);
    let running = 0;
    for (const { msg } of process.entries) {
      if (msg === 'A run begins') running++;
      if (msg === 'A run has ended') running--;
      expect(running).toBeLessThanOrEqual(2);
    }
    expect(new Set(process.said('A run begins').map(({ taskId }) => taskId)).size).toBe(made.length);
  });
});

describe('the end of a worker', () => {
  it('claims nothing more after SIGTERM, and lets what runs come to its end', async () => {
    const taskQueueId = newQueue();
    const home = homeFor([taskQueueId]);
    await using process = new WorkerProcess(home);
    const script = 'touch "$TASK_WORKSPACE/begun"; while [ ! -e "$TASK_WORKSPACE/go" ]; do sleep 0.05; done';
    const taskId = await tasks.create({ taskQueueId, payload: payload([step('wait', script)]) });
    await process.says('A step has started', { taskId });
    process.signal('SIGTERM');
    await process.says('The worker drains', { running: 1 });
    const next = await tasks.create({ taskQueueId, payload: payload([FOREVER]) });
    writeFileSync(home.at('state', 'tasks', home.tasks[0]!, 'workspace', 'go'), '');
    expect(await process.end()).toEqual({ code: 0, signal: null });
    expect([await tasks.state(taskId), await tasks.state(next)]).toEqual(['completed', 'pending']);
  });

  it('what is not over in time is given back', async () => {
    const taskQueueId = newQueue();
    const home = homeFor([taskQueueId], { drain: { timeout: 1 } });
    await using process = new WorkerProcess(home);
    const taskId = await tasks.create({ taskQueueId, payload: payload([FOREVER]) });
    await process.says('A step has started', { taskId });
    process.signal('SIGINT');
    expect(await process.end()).toEqual({ code: 0, signal: null });
    expect(await tasks.status(taskId)).toMatchObject({
      state: 'pending',
      runs: [{ reasonResolved: 'worker-shutdown' }, { state: 'pending' }],
    });
    expect(await logOf(taskId)).toContain('begun\n');
    expect(home.tasks).toEqual([]);
  });

  it('a second signal ends it at once', async () => {
    const taskQueueId = newQueue();
    const home = homeFor([taskQueueId]);
    await using process = new WorkerProcess(home);
    const taskId = await tasks.create({ taskQueueId, payload: payload([step('wait', 'trap "" TERM; sleep 1007; sleep 1007')]) });
    await eventually('the step runs', () => sleepers(1007).length > 0, 15_000);
    process.signal('SIGTERM');
    await process.says('The worker drains');
    const at = performance.now();
    process.signal('SIGTERM');
    expect(await process.end()).toEqual({ code: 0, signal: null });
    expect(performance.now() - at).toBeLessThan(6_000);
    expect(sleepers(1007)).toEqual([]);
    expect(await tasks.status(taskId)).toMatchObject({ runs: [{ reasonResolved: 'worker-shutdown' }, { state: 'pending' }] });
  });
});

describe('a service that is away, or is none', () => {
  /** Answers what it is told, and remembers what it was asked. */
  async function pretender(
    answers: [status: number, body: string, headers?: Record<string, string>][],
  ): Promise<{ server: Server; url: string; keys: string[]; at: number[] }> {
    const [keys, at]: [string[], number[]] = [[], []];
    const server = createServer((request, response) => {
      keys.push(String(request.headers['idempotency-key']));
      at.push(performance.now());
      const next = answers.shift();
      if (!next) return void request.socket.destroy();
      response.writeHead(next[0], { 'content-type': 'application/json', ...next[2] }).end(next[1]);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, keys, at };
  }

  it('is asked again and again, with longer and longer pauses', async () => {
    const port = await freePort();
    const taskQueueId = newQueue();
    const home = homeFor([taskQueueId], { rootUrl: `http://127.0.0.1:${port}` });
    await using process = new WorkerProcess(home);
    await process.says(/^No work could be claimed/, { why: 'ECONNREFUSED' });
    await eventually('it is tried again', () => process.said(/^No work could be claimed/).length >= 3);
    const waits = process.said(/^No work could be claimed/).map(({ inMs }) => inMs as number);
    for (const [turn, wait] of waits.entries()) expect(wait).toBeLessThanOrEqual(1000 * 2 ** turn);
    process.signal('SIGTERM');
    expect((await process.end()).code).toBe(0);
  });

  it('is believed nothing, and nothing that it answers ends the worker', async () => {
    const claim = { status: { taskId: 'x' }, runId: -1, takenUntil: 'never', credentials: null, task: null };
    const { server, url, keys, at } = await pretender([
      [503, '{}', { 'retry-after': '1' }],
      [200, '<html>'],
      [200, '{"tasks": 5}'],
      [200, JSON.stringify({ tasks: [claim, null, 5, { ...claim, status: { taskId: slugid() }, runId: 0 }] })],
    ]);
    const home = homeFor([newQueue()], { rootUrl: url, signatures: { policy: 'off' } });
    await using process = new WorkerProcess(home);
    try {
      await eventually('all was answered', () => keys.length >= 5, 25_000);
      await process.says('A claim is refused', { code: 'signature-context-mismatch' });
      expect(new Set(keys.slice(0, 4)).size).toBe(1); // until it was answered
      expect(keys[4]).not.toBe(keys[3]);
      expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(1_000);
      process.signal('SIGTERM');
      expect(await process.end()).toEqual({ code: 0, signal: null });
      expect(process.stderr).toBe('');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('a worker that cannot work says why', () => {
  async function refusal(home: WorkerHome, words: string[] = []): Promise<[number | null, string]> {
    await using process = new WorkerProcess(home, words);
    const { code } = await process.end();
    return [code, process.stderr];
  }

  it('of its configuration each member that is wrong', async () => {
    const home = homeFor(['x'], { capacity: 0, workerld: 'a' });
    const [code, text] = await refusal(home);
    expect(code).toBe(2);
    expect(text).toMatch(/capacity: must be >= 1/);
    expect(text).toMatch(/workerld: is no member; there are/);
    expect(text).not.toContain('    at '); // no stack
    expect((await refusal(homeFor([newQueue()]), ['--isolation', 'try']))[1]).toMatch(/--isolation is one of bubblewrap, none/);
  });

  it('(83) of its sandboxes, by a code; it does not go on without them', async () => {
    const home = homeFor([newQueue()], { isolation: 'bubblewrap', sandbox: { bubblewrap: '/nowhere/bwrap' } });
    expect(await refusal(home)).toEqual([1, expect.stringMatching(/^BWRAP_MISSING: .*\/nowhere\/bwrap/)]);
  });

  it('of places that it cannot have, without a stack', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const liveLog = await refusal(homeFor([newQueue()], { liveLog: { port } }));
    taken.close();
    expect(liveLog).toEqual([2, expect.stringMatching(/^Live logs cannot be served on 127\.0\.0\.1:\d+ \(EADDRINUSE\); set liveLog/)]);
    for (const place of ['stateDir', 'workDir'])
      expect(await refusal(homeFor([newQueue()], { [place]: '/etc/passwd/x' }))).toEqual([
        2,
        expect.stringMatching(/^\/etc\/passwd\/x cannot be made \(ENOTDIR\); /),
      ]);
  });

  it('of its scopes which are missing', async () => {
    const home = homeFor([newQueue()], {}, await service.client('queue:worker-id:*'));
    await using process = new WorkerProcess(home);
    const { why } = await process.says(/^No work could be claimed/);
    expect(why).toMatch(/^403: Client ID .* lacks scopes\. Missing: .*queue:claim-work:/);
  });

  it('of another worker that has its state', async () => {
    const home = homeFor([newQueue()]);
    await using process = new WorkerProcess(home);
    await process.says('The worker claims');
    expect(await refusal(home)).toEqual([2, expect.stringMatching(/^Another worker has /)]);
  });

  it('of a directory for tasks that another worker has, or in which there is anything else; and leaves it as it is', async () => {
    const first = homeFor([newQueue()]);
    await using process = new WorkerProcess(first);
    await process.says('The worker claims');
    expect(await refusal(homeFor([newQueue()], { workDir: first.at('state', 'tasks') }))).toEqual([
      2,
      expect.stringContaining('Another worker has'),
    ]);
    const other = homeFor([newQueue()]);
    other.put('precious.txt', 'x');
    const own = new WorkerHome(worker, [newQueue()], { workDir: other.directory });
    homes.push(own);
    expect(await refusal(own)).toEqual([2, expect.stringContaining('is for the directories of tasks alone')]);
    expect(existsSync(other.at('precious.txt'))).toBe(true);
  });

  it('but not of what each file system of its own has at its root', async () => {
    const home = homeFor([newQueue()]);
    for (const isFirst of [true, false]) {
      await using process = new WorkerProcess(home);
      await process.says('The worker claims');
      process.signal('SIGTERM');
      await process.end();
      if (isFirst) mkdirSync(home.at('state', 'tasks', 'lost+found'), { mode: 0o700 });
    }
    expect(existsSync(home.at('state', 'tasks', 'lost+found'))).toBe(true);
  });

  it('without keys it claims nothing, until they are there', async () => {
    const taskQueueId = newQueue();
    const creator = new Creator(AUDIENCE);
    const home = homeFor([taskQueueId], { signatures: { policy: 'require', keySet: 'keys.json', audience: AUDIENCE } });
    await using process = new WorkerProcess(home);
    const { taskId, body, jws } = await creator.signed({ taskQueueId, payload: payload([step('a', 'true')]) });
    await ok(tasks.put(taskId, { ...body, signature: jws }));
    await process.says(/^No work is claimed until this is mended/);
    expect(await tasks.state(taskId)).toBe('pending');
    home.put('keys.json', keySetJson(1, creator));
    expect(await resolved(taskId)).toMatchObject({ state: 'completed', runs: [{ runId: 0 }] });
  });
});

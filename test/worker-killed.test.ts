import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { newQueue } from './support/creator.js';
import { eventually } from './support/service-process.js';
import { Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import { describeSandboxed } from './support/unprivileged.js';
import { WorkerHome, WorkerProcess } from './support/worker-process.js';

/* Workers that are killed, at any moment. What they ran is gone before anybody else is given it. */

const LIVES = 4;
const KILLS_EACH = 13;
/** Milliseconds after what the worker says; a step takes three times as long. */
const LATEST = 250;
/** In a row, 100 ms apart, at a run that is under way and that its worker says nothing of. */
const LOOKS_FOR_NOBODYS = 30;

const PAYLOAD = {
  version: 1,
  maxRunTime: 60,
  steps: [
    { name: 'leaves', script: '(setsid sh -c "trap \'\' TERM; sleep 2000" &) ; (sleep 2000 &) ; sleep 0.4; echo left' },
    { name: 'ends', script: 'sleep 0.4' },
  ],
};

let service: TestService;
let tasks: Tasks;
const homes: WorkerHome[] = [];

beforeAll(async () => {
  service = await startTestService({ sweepInterval: 0.2, claimPoll: 5 });
  tasks = new Tasks(service.root, service.database);
});
afterAll(async () => {
  for (const home of homes) home.remove();
  await service.close();
});

describeSandboxed('(48) a worker that is killed', () => {
  it(`leaves no process of a task, ${LIVES * KILLS_EACH} times at random moments, and the task is tried again`, async () => {
    const all = await Promise.all(Array.from({ length: LIVES }, (_, nth) => new Life(nth).kills(KILLS_EACH)));
    const sum = (of: (one: Kills) => number) => all.reduce((total, one) => total + of(one), 0);
    expect(sum(({ kills }) => kills)).toBeGreaterThanOrEqual(50);
    // otherwise it would tell nothing of processes, or of leases
    expect(sum(({ whileRunning }) => whileRunning)).toBeGreaterThanOrEqual(15);
    expect(sum(({ retried }) => retried)).toBeGreaterThanOrEqual(15);
  }, 180_000);
});

interface Kills {
  kills: number;
  whileRunning: number;
  retried: number;
}

/** One worker with one task after the other, killed again and again. */
class Life {
  private readonly taskQueueId = newQueue();
  private readonly counts: Kills = { kills: 0, whileRunning: 0, retried: 0 };
  private home!: WorkerHome;
  private taskId!: string;

  constructor(private readonly nth: number) {}

  async kills(times: number): Promise<Kills> {
    const client = await service.client(`queue:claim-work:${this.taskQueueId}`, 'queue:worker-id:*');
    this.home = new WorkerHome(client, [this.taskQueueId], { isolation: 'bubblewrap', workerId: `killed-${this.nth}` });
    homes.push(this.home);
    this.taskId = await this.newTask();
    for (let time = 0; time < times; time++) await this.killedOnce();
    await using last = new WorkerProcess(this.home);
    await this.hears(last, 'A run has ended', { taskId: this.taskId, reported: 'completed' });
    return this.counts;
  }

  private newTask(): Promise<string> {
    return tasks.create({ taskQueueId: this.taskQueueId, payload: PAYLOAD, retries: 49 });
  }

  private async killedOnce(): Promise<void> {
    const worker = new WorkerProcess(this.home);
    const { taskId } = this;
    await this.hears(worker, Math.random() < 0.4 ? 'The worker claims' : 'A step has started');
    await sleep(Math.random() * LATEST); // which moment it is must not depend on what the worker does
    if (processesOf(taskId, this.home).some((words) => words.includes('sleep\0'))) this.counts.whileRunning++;
    worker.signal('SIGKILL');
    await worker.end();
    this.counts.kills++;
    await eventually(`nothing is left of task ${taskId}`, () => processesOf(taskId, this.home).length === 0, 5_000);
    await this.tryAgain();
  }

  /** A claim that arrived as its worker died may be answered after that: nobody has the run then, until its lease has lapsed. */
  private async hears(worker: WorkerProcess, message: string, members: object = {}): Promise<void> {
    let looks = 0;
    const isSaid = async () => {
      if (worker.said(message, members).length > 0) return true;
      const isNobodys = worker.said('A run begins').length === 0 && (await tasks.state(this.taskId)) === 'running';
      looks = isNobodys ? looks + 1 : 0;
      if (looks === LOOKS_FOR_NOBODYS) await tasks.lapse(this.taskId);
      return false;
    };
    await eventually(`the worker says ${message}`, isSaid, 30_000, 100);
  }

  /** Time passes until the lease has lapsed. */
  private async tryAgain(): Promise<void> {
    const { state, runs } = await tasks.status(this.taskId);
    if (state === 'completed') this.taskId = await this.newTask();
    if (state !== 'running') return;
    await tasks.lapse(this.taskId);
    await eventually('the task is pending again', async () => (await tasks.state(this.taskId)) === 'pending');
    const now = (await tasks.status(this.taskId)).runs;
    expect([now.length, now[runs.length - 1].reasonResolved]).toEqual([runs.length + 1, 'claim-expired']);
    this.counts.retried++;
  }
}

/** The words of what runs for a task, be it a supervisor or below one: by their environments, as the kernel has them. */
function processesOf(taskId: string, home: WorkerHome): string[] {
  const marks = [`TASK_ID=${taskId}`, `LEASEHOLD_TASK=${home.directory}/`];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const environment = ofProcess(pid, 'environ');
    return marks.some((mark) => environment.includes(mark)) ? [ofProcess(pid, 'cmdline')] : [];
  });
}

function ofProcess(pid: string, what: string): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'latin1');
  } catch {
    return ''; // it has just ended
  }
}

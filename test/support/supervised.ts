import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Step } from '../../src/worker/payload/payload.js';
import type { SandboxSettings } from '../../src/worker/sandbox/isolation.js';
import type { Job, Order, Outcome, StepRecord, Told } from '../../src/worker/steps/job.js';
import { jsonLine } from '../../src/worker/steps/json-line.js';
import { compiled, privateDirectory, unprivileged } from './unprivileged.js';

const MB = 1_048_576;

export const SANDBOX: SandboxSettings = {
  bubblewrap: '/usr/bin/bwrap',
  busybox: '/usr/bin/busybox',
  rootfs: '/',
  readable: [],
  limits: {
    processes: 128,
    openFiles: 1024,
    fileSize: 64 * MB,
    memory: 0,
    tmp: 16 * MB,
    home: 16 * MB,
    shm: 4 * MB,
    creds: MB,
    results: 4 * MB,
    result: 4096,
    output: MB,
  },
};

const USUAL: Omit<Step, 'name'> = {
  env: {},
  onError: 'stopAndFail',
  when: { status: 'success', all: [] },
  results: [],
  workspace: 'rw',
  network: 'none',
  proxyUrl: false,
  secrets: [],
};

/** A step that is a script, unless `over` has a command; results are strings. */
export function step(
  name: string,
  script: string | undefined,
  over: Partial<Omit<Step, 'results'>> & { results?: (string | Step['results'][number])[] } = {},
): Step {
  const { results = [], ...others } = over;
  const wanted = results.map((result) => (typeof result === 'string' ? { name: result, type: 'string' as const } : result));
  return { name, ...USUAL, ...(script !== undefined && { script }), ...others, results: wanted };
}

export type JobParts = Partial<Omit<Job, 'payload' | 'taskDir'>> & { limits?: Partial<SandboxSettings['limits']>; slow?: number };

/** A job in a new directory of that user's, which is left to the caller to remove. */
export function jobOf(steps: readonly Step[], { limits, slow: _, ...over }: JobParts = {}): Job {
  const taskDir = privateDirectory('steps');
  const workspace = path.join(taskDir, 'workspace');
  mkdirSync(workspace);
  if (unprivileged.uid !== undefined) chownSync(workspace, unprivileged.uid, unprivileged.gid!);
  return {
    payload: { version: 1, steps, artifacts: [], maxRunTime: 60, env: {}, features: { private: false, credentials: false } },
    env: { TASK_ID: 'fN1SbArXTPSVFNUvaOlinQ', RUN_ID: '0' },
    secrets: {},
    isolation: 'bubblewrap',
    sandbox: { ...SANDBOX, limits: { ...SANDBOX.limits, ...limits } },
    taskDir,
    grace: 500,
    ...over,
  };
}

/** A worker that runs one job, seen from outside. */
export class Supervised {
  readonly told: Told[] = [];
  readonly diagnoses: string[] = [];
  readonly log: Buffer[] = [];
  pid = 0;
  readonly #driver: ChildProcess;
  readonly #outcome: Promise<Outcome>;

  constructor(
    readonly job: Job,
    slow = 0,
  ) {
    const program = compiled('test/support/steps-driver.js');
    const words = ['-c', 'exec 251< /etc/passwd; exec "$0" "$@"', process.execPath, program]; // what nobody is to inherit
    this.#driver = spawn('bash', words, { ...unprivileged, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] });
    this.#outcome = new Promise((resolve, reject) => {
      this.#driver.once('exit', () => reject(new Error('the driver has ended without an outcome'))); // of no matter afterwards
      createInterface({ input: this.#driver.stdout! }).on('line', (line) => this.#hear(JSON.parse(line), resolve));
    });
    this.#outcome.catch(() => {}); // where it is killed nobody asks
    this.#driver.stdin!.on('error', () => {});
    this.#send({ job, slow });
  }

  get outcome(): Promise<Outcome> {
    return this.#outcome;
  }

  get text(): string {
    return this.printed.toString();
  }

  /** What the steps have printed, without the supervisor's lines of their beginnings and ends. */
  get printed(): Buffer {
    const log = Buffer.concat(this.log).toString('latin1');
    return Buffer.from(log.replace(/^\[leasehold\] step [a-z0-9-]+(: .*| begins)\n/gm, ''), 'latin1');
  }

  /** Of the worker itself. */
  get driver(): ChildProcess {
    return this.#driver;
  }

  stop(order: Omit<Order, 'order'>): void {
    this.#send({ stop: { order: 'stop', ...order } });
  }

  kill(): void {
    this.#send({ kill: true });
  }

  #send(what: object): void {
    this.#driver.stdin!.write(jsonLine(what));
  }

  #hear(what: { told?: Told; log?: string; diagnosis?: string; pid?: number; outcome?: Outcome }, done: (outcome: Outcome) => void): void {
    if (what.told) this.told.push(what.told);
    if (what.log) this.log.push(Buffer.from(what.log, 'base64'));
    if (what.diagnosis) this.diagnoses.push(what.diagnosis);
    if (what.pid) this.pid = what.pid;
    if (what.outcome) done(what.outcome);
  }
}

export const recordOf = ({ steps }: Outcome, name: string): StepRecord => steps.find((one) => one.name === name)!;

/** Numbers of processes that have that text among their words, by the host's own /proc. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => wordsOf(pid).includes(text))
    .map(Number);
}

function wordsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return ''; // it has just ended
  }
}

/** Waits for it at most that long; milliseconds. */
export async function until(holds: () => boolean, most = 10_000): Promise<void> {
  const end = Date.now() + most;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not so after ${most} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

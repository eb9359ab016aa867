import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { PROGRAMS_PATH } from '../sandbox/programs-path.js';
import { inOwnNamespaces } from '../sandbox/supervisor-command.js';
import type { Job, Order, Outcome, StepRecord, Told } from './job.js';
import { jsonLine } from './json-line.js';
import { taskResults } from './results/task-results.js';

export interface Listener {
  /** A piece of the log. The steps wait until it is resolved, if they have printed more. */
  log(chunk: Buffer): void | Promise<void>;
  told(what: Told): void;
  /** What is wrong with the supervisor itself, a line at a time. */
  diagnose(line: string): void;
}

const SUPERVISOR = fileURLToPath(new URL('./supervisor.js', import.meta.url));

/** Milliseconds in which a supervisor without a namespace of its own ends the step that is running. */
const LAST_CHANCE = 2000;

/**
 * Starts the supervisor of a task and listens to it. When it has ended nothing of the task is running, unless steps are not isolated. `done`
 * never rejects: of a supervisor that was killed it has what was known by then.
 */
export function runSteps(job: Job, listener: Listener): SupervisedTask {
  return new SupervisedTask(job, listener);
}

export class SupervisedTask {
  readonly done: Promise<Outcome>;
  readonly #child: ChildProcess;
  readonly #isIsolated: boolean;
  readonly #steps: StepRecord[] = [];
  #outcome: Outcome | undefined;
  #isKilled = false;

  constructor(job: Job, listener: Listener) {
    this.#isIsolated = job.isolation !== 'none';
    const command = [process.execPath, SUPERVISOR] as const;
    const [program, ...words] = this.#isIsolated ? inOwnNamespaces(command) : command;
    const env = { PATH: PROGRAMS_PATH, LEASEHOLD_TASK: job.taskDir }; // by the latter what is left of a dead worker is found
    // a group of its own: who interrupts the worker at a terminal does not mean the steps
    this.#child = spawn(program, words, { cwd: '/', env, detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    this.done = this.#run(listener);
    this.#stdin.on('error', () => {}); // it has ended, as `done` will tell
    this.#stdin.write(jsonLine(job));
  }

  /** Of the supervisor, or of what started it in its namespace. Undefined where it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  stop(order: Order): void {
    this.#stdin.write(jsonLine(order));
  }

  /** At once, and without what is to run always. */
  kill(): void {
    this.#isKilled = true;
    this.#stdin.destroy();
    if (this.#isIsolated) this.#child.kill('SIGKILL');
    else setTimeout(() => this.#child.kill('SIGKILL'), LAST_CHANCE).unref();
  }

  get #stdin(): Writable {
    return this.#child.stdin!;
  }

  async #run(listener: Listener): Promise<Outcome> {
    const [, stdout, stderr, told] = this.#child.stdio as unknown as [Writable, Readable, Readable, Readable];
    const over = new Promise((resolve) => this.#child.once('exit', resolve).once('error', resolve));
    this.#child.once('error', (error) => listener.diagnose(`The supervisor could not be started: ${error.message}`));
    const read = [
      each(stdout, (chunk: Buffer) => listener.log(chunk), listener),
      each(createInterface({ input: stderr }), (line: string) => listener.diagnose(line), listener),
      each(createInterface({ input: told }), (line: string) => this.#hear(line, listener), listener),
    ];
    await Promise.all([over, ...read]);
    return this.#outcome ?? { outcome: this.#isKilled ? 'stopped' : 'broken', steps: this.#steps, results: taskResults(this.#steps) };
  }

  /** The last line of a supervisor that was killed may be cut off. */
  #hear(line: string, listener: Listener): void {
    const what = toldBy(line);
    if (what === undefined) return;
    if (what.told === 'step-ended') this.#steps.push(what.step);
    if (what.told === 'done') this.#outcome = what.outcome;
    listener.told(what);
  }
}

/** A listener that fails is told so, and is given the rest: the steps would wait for ever for one that does not take it. */
async function each<T>(stream: AsyncIterable<T>, take: (part: T) => void | Promise<void>, listener: Listener): Promise<void> {
  try {
    for await (const part of stream)
      try {
        await take(part);
      } catch (error) {
        listener.diagnose(`What the supervisor told could not be taken: ${(error as Error).message}`);
      }
  } catch (error) {
    listener.diagnose(`The supervisor cannot be heard any more: ${(error as Error).message}`);
  }
}

function toldBy(line: string): Told | undefined {
  try {
    return JSON.parse(line) as Told;
  } catch {
    return undefined;
  }
}

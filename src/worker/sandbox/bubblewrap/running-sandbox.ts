import { once } from 'node:events';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunningStep, StepEnd } from '../isolation.js';
import { descendantsOf, isFirstOfItsNamespace } from './sandbox-processes.js';
import type { SandboxProcess } from './spawn-sandbox.js';

/** Characters of what bwrap says that are kept. */
const MOST_SAID = 4096;
const LOOK_AGAIN_MS = 5;
/** How often new processes are looked for while the others are told to end. */
const ROUNDS = 5;

/** A step in a sandbox that bwrap made. */
export class RunningSandbox implements RunningStep {
  readonly ended: Promise<StepEnd>;
  readonly #sandbox: SandboxProcess;
  #startedAt: Date | undefined;
  /** PID 1 of the sandbox, by our own /proc. bwrap tells it before it lets it go on. */
  #first: number | undefined;
  #doomed = false;
  #said = '';
  #status = '';

  constructor(sandbox: SandboxProcess) {
    this.#sandbox = sandbox;
    sandbox.started.once('data', () => {
      this.#startedAt = new Date();
    });
    sandbox.said.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(0, MOST_SAID);
    });
    sandbox.status.setEncoding('utf8').on('data', (text: string) => this.#heard(text));
    this.ended = this.#end();
  }

  /** PID 1 would not get it: the kernel keeps it from the first process of a namespace. Before the step has begun there is nobody to ask. */
  terminate(): void {
    if (!this.#startedAt) {
      this.kill();
      return;
    }
    const told = new Set<number>();
    for (let round = 0; round < ROUNDS && this.#isThere(); round++) {
      const found = descendantsOf(this.#first!).filter((pid) => !told.has(pid));
      if (found.length === 0) return;
      for (const pid of found) {
        told.add(pid);
        signal(pid, 'SIGTERM');
      }
    }
  }

  /** With PID 1 the kernel kills all others. */
  kill(): void {
    this.#doomed = true;
    if (this.#isThere()) signal(this.#first!, 'SIGKILL');
  }

  #isThere(): boolean {
    return this.#first !== undefined && isFirstOfItsNamespace(this.#first);
  }

  #heard(text: string): void {
    if (this.#first !== undefined) return;
    this.#status += text;
    const told = /"child-pid":\s*(\d+)/.exec(this.#status)?.[1];
    if (told === undefined) return;
    this.#first = Number(told);
    if (this.#doomed) this.kill();
  }

  async #end(): Promise<StepEnd> {
    const { exitCode, error } = await endOf(this.#sandbox);
    await this.#gone();
    const finishedAt = new Date();
    this.#first = undefined; // its number may be another's from now on
    if (this.#startedAt) return { startedAt: this.#startedAt, finishedAt, exitCode };
    return { finishedAt, exitCode, failure: error ?? this.#failure(exitCode) };
  }

  /** bwrap ends after PID 1, and so after all of the sandbox, unless it was killed itself: by the kernel, where memory is short. */
  async #gone(): Promise<void> {
    while (this.#isThere()) {
      this.kill();
      await delay(LOOK_AGAIN_MS);
    }
  }

  #failure(exitCode: number): string {
    if (this.#doomed) return 'The step was stopped before its sandbox was up';
    const said = this.#said.trim().split('\n').join('; ');
    return said === '' ? `bwrap ended with ${exitCode} and said nothing` : said;
  }
}

/** Of bwrap, once its pipes are closed, too: what it told was heard. */
async function endOf({ process: child }: SandboxProcess): Promise<{ exitCode: number; error?: string }> {
  try {
    const [code, by] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { exitCode: code ?? 128 + constants.signals[by!] };
  } catch (error) {
    return { exitCode: 126, error: `bwrap could not be started: ${(error as Error).message}` };
  }
}

/** It may have ended meanwhile. */
function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

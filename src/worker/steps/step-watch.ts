import type { RunningStep } from '../sandbox/isolation.js';

export type StoppedBy = 'TimeoutExceeded' | 'Cancelled';

/** Ends a running step early: SIGTERM for all of it and, after the grace, SIGKILL. Remembers who was first. */
export class StepWatch {
  readonly #running: RunningStep;
  readonly #grace: number;
  readonly #timers: NodeJS.Timeout[] = [];
  stoppedBy: StoppedBy | undefined;
  #isOver = false;

  /** Milliseconds. Without a timeout it may take as long as it likes. */
  constructor(running: RunningStep, grace: number, timeout?: number) {
    this.#running = running;
    this.#grace = grace;
    if (timeout !== undefined) this.#after(timeout, () => this.stop('TimeoutExceeded'));
    void running.ended.then(() => {
      this.#isOver = true; // from now on its number may be another process's
      for (const timer of this.#timers) clearTimeout(timer);
    });
  }

  stop(by: StoppedBy): void {
    if (this.#isOver || this.stoppedBy !== undefined) return;
    this.stoppedBy = by;
    this.#running.terminate();
    this.#after(this.#grace, () => this.#running.kill());
  }

  /** Without grace. */
  kill(by: StoppedBy): void {
    if (this.#isOver) return;
    this.stoppedBy ??= by;
    this.#running.kill();
  }

  #after(milliseconds: number, what: () => void): void {
    this.#timers.push(setTimeout(what, milliseconds));
  }
}

import type { Outcome, StepReason } from '../steps/job.js';
import type { Step } from './payload.js';

/** Why no further steps are run, whatever has become of those before: by weight, the last one counts most. */
const STOPS = ['timed-out', 'cancelled', 'broken'] as const;
export type Stop = (typeof STOPS)[number];

const OUTCOMES = { 'timed-out': 'failed', cancelled: 'stopped', broken: 'broken' } as const;

/** One step's turn. `run` is false for a step that is to be skipped. */
export interface Turn {
  index: number;
  step: Step;
  run: boolean;
}

/**
 * Which step is next, and what becomes of the task: the rules of `onError` and `when.status`, in memory alone. `next` gives each step once,
 * in order; of each that is to run `ended` is told before the next one.
 */
export class StepPlan {
  readonly #steps: readonly Step[];
  #turn = 0;
  #running: number | undefined;
  #failed = false;
  /** A failing step has ended it: well, or by `#failed` not so. */
  #over = false;
  #stop: Stop | undefined;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** Undefined: that was the last one. */
  next(): Turn | undefined {
    if (this.#running !== undefined) throw new Error(`Step ${this.#running} has not ended yet: tell that first`);
    const index = this.#turn;
    const step = this.#steps[index];
    if (step === undefined) return undefined;
    const run = this.#isToRun(step);
    this.#turn++;
    if (run) this.#running = index;
    return { index, step, run };
  }

  /** May also be told of a step that was not to run, and says nothing then. */
  ended(index: number, reason: StepReason): void {
    if (index !== this.#running) {
      if (reason === 'Skipped' && index === this.#turn - 1) return;
      throw new Error(`Step ${index} is not the one that runs`);
    }
    this.#running = undefined;
    if (reason === 'Failed' || reason === 'OOMKilled') this.#judge(this.#steps[index]!.onError);
    if (reason === 'TimeoutExceeded') this.#judge('stopAndFail'); // what it left undone nobody knows, so it never just goes on
    if (reason === 'InfrastructureError') this.stop('broken');
    if (reason === 'Cancelled' && this.#stop === undefined) this.#stop = 'cancelled';
  }

  /** Tells nothing once all steps are over, unless it is that they cannot be believed. */
  stop(reason: Stop): void {
    if (reason !== 'broken' && this.#running === undefined && this.#turn >= this.#steps.length) return;
    if (this.#stop === undefined || STOPS.indexOf(reason) > STOPS.indexOf(this.#stop)) this.#stop = reason;
  }

  /** As far as it is known now; final once `next` gives nothing more. */
  get outcome(): Outcome['outcome'] {
    if (this.#stop !== undefined) return OUTCOMES[this.#stop];
    return this.#failed ? 'failed' : 'succeeded';
  }

  #isToRun({ when: { status } }: Step): boolean {
    if (this.#stop === 'broken') return false;
    if (status === 'always') return true;
    if (this.#stop !== undefined) return false;
    return status === 'failure' ? this.#failed : !this.#over;
  }

  #judge(onError: Step['onError']): void {
    if (onError === 'stopAndFail' || onError === 'continueAndFail') this.#failed = true;
    if (onError === 'stopAndFail' || onError === 'stopAndSucceed') this.#over = true;
  }
}

import type { Step } from '../payload/payload.js';
import type { StepPlan } from '../payload/step-plan.js';
import type { Order, Outcome, StepRecord, Told } from './job.js';
import type { TaskLog } from './output/task-log.js';
import { taskResults } from './results/task-results.js';
import type { StepRunner } from './step-runner.js';

type Tell = (told: Told) => Promise<void>;

/** The steps of one task, in order, and what comes of all of them. */
export class TaskSteps {
  readonly #plan: StepPlan;
  readonly #runner: StepRunner;
  readonly #tell: Tell;
  readonly #log: TaskLog;
  #running: Step | undefined;
  /** Milliseconds since 1970 after which nothing is run any more. Absent: nobody has stopped the steps. */
  #cleanUpEnds: number | undefined;
  #reason: Order['reason'] = 'cancelled';

  constructor({ plan, runner, tell, log }: { plan: StepPlan; runner: StepRunner; tell: Tell; log: TaskLog }) {
    this.#plan = plan;
    this.#runner = runner;
    this.#tell = tell;
    this.#log = log;
  }

  async run(): Promise<Outcome> {
    const steps: StepRecord[] = [];
    for (let next = this.#plan.next(); next !== undefined; next = this.#plan.next()) {
      const { index, step } = next;
      const record = next.run && !this.#isOver ? await this.#runStep(index, step) : this.#runner.skip(index, step);
      this.#plan.ended(index, record.reason);
      steps.push(record);
      await this.#note(record);
      await this.#tell({ told: 'step-ended', index, step: record });
    }
    if (!this.#runner.isIntact) this.#plan.stop('broken');
    return { outcome: this.#plan.outcome, steps, results: taskResults(steps) };
  }

  /** May be called again, with less time. The time counts from now: it includes what a running step takes to end. */
  stop({ reason, cleanUp }: Order): void {
    this.#reason = reason;
    this.#plan.stop(reason);
    this.#cleanUpEnds = Math.min(this.#cleanUpEnds ?? Number.POSITIVE_INFINITY, Date.now() + cleanUp);
    if (this.#running !== undefined && (this.#isOver || this.#running.when.status !== 'always')) this.#runner.watch?.stop(this.#stoppedBy);
    setTimeout(() => this.#endCleanUp(), cleanUp);
  }

  async #runStep(index: number, step: Step): Promise<StepRecord> {
    this.#running = step;
    // neither is waited for: until the step is begun no order could stop it. The log is written in order, so this line is before what it prints
    const told = Promise.all([
      this.#log.note(`step ${step.name} begins`),
      this.#tell({ told: 'step-started', index, name: step.name, at: new Date().toISOString() }),
    ]);
    try {
      const record = await this.#runner.run(index, step);
      await told;
      return record;
    } finally {
      this.#running = undefined;
    }
  }

  async #note({ name, reason, exitCode, detail, missing }: StepRecord): Promise<void> {
    await this.#log.note(`step ${name}: ${reason}, exit code ${exitCode}${detail === undefined ? '' : `: ${detail}`}`);
    for (const why of Object.values(missing)) await this.#log.note(`step ${name}: ${why}`);
  }

  /** Those that still run had their time; who was told to end before has the grace to do so. */
  #endCleanUp(): void {
    if (this.#runner.watch?.stoppedBy === undefined) this.#runner.watch?.kill(this.#stoppedBy);
  }

  get #isOver(): boolean {
    return this.#cleanUpEnds !== undefined && Date.now() >= this.#cleanUpEnds;
  }

  get #stoppedBy() {
    return this.#reason === 'cancelled' ? 'Cancelled' : 'TimeoutExceeded';
  }
}

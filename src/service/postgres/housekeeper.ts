import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';

/** How many things one batch of a job takes, unless they are small: so it locks few, and not for long. */
export const BATCH = 200;

export type Left = 'done' | 'more';

/** What is left by a batch that found so many. */
export function leftAfter(found: number, batch = BATCH): Left {
  return found < batch ? 'done' : 'more';
}

/** What a room wants done from time to time, on every replica: what another replica has under way is to be skipped (`skip locked`). */
export interface Job {
  /** For the log. */
  name: string;
  /** Seconds. */
  every: number;
  /** Does one small batch, and says whether there is more to do. What it throws is logged, and tried again. */
  batch(): Promise<Left>;
}

interface Chore extends Job {
  due: number; // by the clock that nobody sets
  running?: Promise<void>;
}

interface Log {
  warn(entry: object, message?: string): void;
}

const SOON = 10; // rounds of the fastest pace: a service that never runs for long forgets things, too
const RETRY_MS = 30_000;
const MOST_BATCHES = 50;
const BREATH_MS = 1_000;
const LONGEST_TIMER_MS = 600_000;

/**
 * Does the jobs of all rooms by one timer, each with some jitter, so that replicas do not march in step. A job never meets itself, and
 * does not wait for another: one that hangs keeps nobody's leases from lapsing.
 */
export class Housekeeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly chores: Chore[] = [];
  private timer: NodeJS.Timeout | undefined;
  private state: 'asleep' | 'awake' | 'stopped' = 'asleep';

  /** `pace`: of the fastest job, in seconds. All others come first within ten of it, then at their own. */
  constructor(
    private readonly log: Log,
    private readonly pace: number,
  ) {}

  register(job: Job): void {
    const first = Math.min(job.every, SOON * this.pace);
    this.chores.push({ name: job.name, every: job.every, batch: () => job.batch(), due: performance.now() + jittered(first * 1000) });
    this.arm();
  }

  onApplicationBootstrap(): void {
    this.state = 'awake';
    this.arm();
  }

  /** Waits for what is under way, which ends after its batch. */
  async onModuleDestroy(): Promise<void> {
    this.state = 'stopped';
    clearTimeout(this.timer);
    await Promise.all(this.chores.map((chore) => chore.running));
  }

  private arm(): void {
    clearTimeout(this.timer);
    if (this.state !== 'awake') return;
    const due = this.chores.filter((chore) => !chore.running).map((chore) => chore.due);
    const wait = Math.min(LONGEST_TIMER_MS, ...due.map((at) => Math.max(0, at - performance.now())));
    this.timer = setTimeout(() => this.wake(), wait);
    this.timer.unref();
  }

  private wake(): void {
    for (const chore of this.chores.filter(({ running, due }) => !running && due <= performance.now())) {
      chore.running = this.run(chore).then((wait) => {
        chore.due = performance.now() + wait;
        delete chore.running;
        this.arm();
      });
    }
    this.arm();
  }

  /** Goes on while there is more to do, but not for ever without a breath. Answers when the job is due again. */
  private async run({ name, every, batch }: Chore): Promise<number> {
    try {
      for (let batches = 0; batches < MOST_BATCHES && this.state === 'awake'; batches++) {
        if ((await batch()) === 'done') return jittered(every * 1000);
      }
      return Math.min(BREATH_MS, every * 1000);
    } catch (err) {
      this.log.warn({ err, job: name }, `${name} failed; it is tried again`);
      return jittered(Math.min(RETRY_MS, every * 1000));
    }
  }
}

function jittered(ms: number): number {
  return ms * (0.75 + Math.random() / 2);
}

import type { Job, Report, Result } from './job.js';
import { Latencies } from './latencies.js';

/** Measures one job: hands out what is left to do while there is time, counts and times what is done after the warm-up. */
export class Meter {
  private readonly calls = new Map<string, Latencies>();
  private left: number;
  private done = 0;
  private began = 0;
  private endedAfter: number | undefined;
  private measuring = false;
  private result: Result | undefined;
  private cpu = process.cpuUsage();

  constructor(
    private readonly job: Job,
    private readonly tell: (report: Report) => void,
  ) {
    this.left = job.tasks;
  }

  /** How many of `wanted` the caller may do: none once the time is up. */
  take(wanted: number): number {
    if (this.endedAfter !== undefined) return 0;
    const taken = Math.min(wanted, this.left);
    this.left -= taken;
    return taken;
  }

  putBack(number: number): void {
    this.left += number;
  }

  time<T>(call: string, work: () => Promise<T>): Promise<T> {
    return this.latencies(call).time(work);
  }

  latencies(call: string): Latencies {
    const known = this.calls.get(call);
    if (known) return known;
    const made = new Latencies();
    this.calls.set(call, made);
    return made;
  }

  count(number: number): void {
    if (this.measuring) this.done += number;
  }

  /** Runs `work`, which must end by itself once nothing more is to be taken, and reports the result. */
  async run(work: () => Promise<void>): Promise<void> {
    const timers = [
      setTimeout(() => this.begin(), this.job.warmUpSeconds * 1000),
      setTimeout(() => this.end(), (this.job.warmUpSeconds + this.job.seconds) * 1000),
    ];
    const ticking = setInterval(() => this.measuring && this.progress(), 1000);
    try {
      await work();
    } finally {
      for (const timer of timers) clearTimeout(timer);
      clearInterval(ticking);
    }
    this.end();
    if (!this.result) throw new Error('the work ended within the warm-up');
    this.tell({ report: 'result', result: this.result });
  }

  private begin(): void {
    for (const latencies of this.calls.values()) latencies.reset();
    this.measuring = true;
    this.began = performance.now();
    this.cpu = process.cpuUsage();
    this.tell({ report: 'measuring' });
  }

  private end(): void {
    if (!this.measuring) return;
    this.measuring = false;
    this.endedAfter = performance.now() - this.began;
    this.tell({ report: 'measured' });
    const { user, system } = process.cpuUsage(this.cpu);
    const calls = Object.fromEntries([...this.calls].map(([call, latencies]) => [call, latencies.summary()]));
    this.result = { done: this.done, seconds: this.endedAfter / 1000, calls, cpuSeconds: (user + system) / 1e6 };
  }

  private progress(): void {
    this.tell({ report: 'progress', done: this.done, seconds: (performance.now() - this.began) / 1000 });
  }
}

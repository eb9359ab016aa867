import type { ClaimKeeper } from '../claims/claim-keeper.js';
import type { Job, Order, Outcome } from '../steps/job.js';
import { type Listener, runSteps, type SupervisedTask } from '../steps/supervised-task.js';

/** Milliseconds for steps with `when.status` always, where the others took too long. Where the run is not wanted any longer they have none. */
const CLEAN_UP = 60_000;
/** After SIGTERM and the grace the supervisor kills; what it takes longer than that is too long. */
const LAST_CHANCE = 5_000;

/** The steps of a run, which are stopped when they have taken too long, when nobody wants them, and when they are not ours any longer. */
export class StoppableSteps {
  readonly #task: SupervisedTask;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly job: Job,
    listener: Listener,
  ) {
    this.#task = runSteps(job, listener);
  }

  async under(keeper: Pick<ClaimKeeper, 'stopped' | 'lost' | 'why'>, hurry: AbortSignal): Promise<Outcome> {
    const on = (signal: AbortSignal, act: () => void) => {
      signal.addEventListener('abort', act);
      if (signal.aborted) act();
      return () => signal.removeEventListener('abort', act);
    };
    const kill = () => this.#task.kill();
    this.#after(this.job.payload.maxRunTime * 1000, () => this.#stop({ order: 'stop', reason: 'timed-out', cleanUp: CLEAN_UP }));
    const off = [
      on(keeper.stopped, () => this.#stop({ order: 'stop', reason: 'cancelled', cleanUp: 0 })),
      on(keeper.lost, () => keeper.why?.reason === 'lost' && kill()),
      on(hurry, kill),
    ];
    try {
      return await this.#task.done;
    } finally {
      for (const timer of this.#timers) clearTimeout(timer);
      for (const one of off) one();
    }
  }

  #stop(order: Order): void {
    this.#task.stop(order);
    this.#after(order.cleanUp + this.job.grace + LAST_CHANCE, () => this.#task.kill());
  }

  #after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, Math.min(ms, 2 ** 31 - 1)));
  }
}

import { ApiError } from './api-error.js';
import { Quota, type QuotaBounds } from './quota.js';

/** Clients give up after 30 s. */
const WAIT_MS = 10_000;

/** Work of which only a few pieces are done at once; a bounded number of others wait for their turn, in order, and not for long. */
export class Turns {
  private readonly waiting = new Set<() => void>();
  private readonly room: Quota;

  /** `what` is done, for refusals. `room`: of those who wait. */
  constructor(
    private readonly what: string,
    private free: number,
    room: QuotaBounds,
  ) {
    this.room = new Quota(`${what} that wait`, room);
  }

  /** Throws ServiceUnavailable when too many wait, or this one has waited for too long. */
  async take<T>(account: string, work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await this.turn(account);
    try {
      return await work();
    } finally {
      this.pass();
    }
  }

  private async turn(account: string): Promise<void> {
    const leave = this.room.take(account);
    try {
      await new Promise<void>((resolve, reject) => {
        const go = () => {
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(() => {
          this.waiting.delete(go);
          reject(new ApiError('ServiceUnavailable', `There was no turn among the ${this.what} for ${WAIT_MS / 1000} s; try again soon`));
        }, WAIT_MS);
        this.waiting.add(go);
      });
    } finally {
      leave();
    }
  }

  /** A turn goes straight to who waits longest. */
  private pass(): void {
    const [next] = this.waiting;
    if (!next) {
      this.free++;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';

const FIRST = 1_000;
const LONGEST = 60_000;
/** Not even the luckiest asks more often than ten times a second. */
const SHORTEST = 100;
/** What a service asks for is not believed beyond: one that misspeaks must not idle a worker for a day. */
const LONGEST_ASKED = 300_000;

/**
 * How long to wait after each failure in a row, in milliseconds: anything up to 1 s, then up to 2 s, 4 s … 60 s. All of the time is left to
 * chance, or workers that lost the same service would come back in waves.
 */
export class BackOff {
  #failures = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Another failure; `asked` is what the service asks for (Retry-After), in milliseconds. */
  next(asked = 0): number {
    const most = Math.min(LONGEST, FIRST * 2 ** Math.min(this.#failures++, 10));
    return Math.max(SHORTEST, Math.round(most * this.random()), Math.min(asked, LONGEST_ASKED));
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Waits so long, or until the signal; never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined);
}

import type { Bulletin, News } from './bulletin.js';
import { DatabaseAway } from './database-away.js';

const POLL_MS = 2_000;
const STALE_MS = 5_000;
const CHECK_MS = 5_000;

/**
 * Keeps a copy in memory of what the database has. Another replica's change arrives by notification, at the latest by a poll every 2 s;
 * a copy that could not be checked for 5 s is not to be trusted any more.
 */
export class KeptCopy<T> {
  private checkedAt = Number.NEGATIVE_INFINITY; // by the clock that nobody sets
  private current: Promise<void> | undefined;
  private following: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** `read` changes nothing: given up, it may end after one that began later. */
  constructor(
    private readonly what: string,
    private readonly read: () => Promise<T>,
    private readonly load: (news: T) => void,
  ) {}

  follow(bulletin: Bulletin, concerns: (news: News) => boolean): void {
    const refresh = () => this.refresh().catch(() => undefined); // the poll tries again
    bulletin.subscribe((news) => concerns(news) && refresh());
    this.timer = setInterval(refresh, POLL_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Milliseconds since the database was last asked, with success. */
  get age(): number {
    return performance.now() - this.checkedAt;
  }

  /** Whether the copy was checked in the last 5 s. */
  get isFresh(): boolean {
    return this.age <= STALE_MS;
  }

  /** Resolves at once while the copy was checked in the last 5 s; otherwise checks it, or rejects. */
  async fresh(): Promise<void> {
    if (!this.isFresh) await this.refresh();
  }

  /** Reads anew. Calls that come while one is under way share the one after it. */
  refresh(): Promise<void> {
    if (!this.current) {
      this.current = this.check().finally(() => {
        this.current = undefined;
      });
      return this.current;
    }
    this.following ??= this.current
      .catch(() => undefined)
      .then(() => {
        this.following = undefined;
        return this.refresh();
      });
    return this.following;
  }

  /** Or gives up: on a connection that died silently an answer may take a quarter of an hour, and all wait for it. */
  private async check(): Promise<void> {
    const startedAt = performance.now();
    this.load(await within(CHECK_MS, this.what, this.read()));
    this.checkedAt = startedAt;
  }
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DatabaseAway(`the database did not tell ${what} within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

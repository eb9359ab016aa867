/** So many refusals of one account, or of one run, are written down within a window, and so many of all. The rest is counted. */
const OWN = 10;
const ALL = 200;
/** Of all, for runs: whoever creates tasks has as many of those as there are workers. */
const RUNS = 100;
/** So many accounts are counted apart; what is beyond is counted together. */
const COUNTED_APART = 100;
const WINDOW_MS = 60_000;

/** Refusals of an account that were not written down one by one. */
export interface Omitted {
  /** Undefined: of many accounts together. */
  account: string | undefined;
  code: string;
  count: number;
}

/** Bounds what refusals leave behind: whoever asks in vain, a thousand times a second, must not fill the disk. */
export class RefusalBudget {
  private began = Number.NEGATIVE_INFINITY;
  private taken = 0;
  private takenByRuns = 0;
  private readonly own = new Map<string, number>();
  private readonly omitted = new Map<string, Omitted>();

  /** Whether this one is written down; otherwise it is counted. `now` is any clock in ms that only moves forward. */
  takes(account: string, code: string, now: number, isRun = false): boolean {
    if (now - this.began >= WINDOW_MS) this.renew(now);
    const own = this.own.get(account) ?? 0;
    if (this.taken >= ALL || own >= OWN || (isRun && this.takenByRuns >= RUNS)) {
      this.count(account, code);
      return false;
    }
    this.taken++;
    if (isRun) this.takenByRuns++;
    this.own.set(account, own + 1);
    return true;
  }

  /** Counts one that is not written down, whatever is left. */
  count(account: string, code: string): void {
    const apart = `${account} ${code}`; // not the code alone, also where the account is ''
    const known = this.omitted.has(apart) || this.omitted.size < COUNTED_APART;
    const key = known ? apart : code;
    const entry = this.omitted.get(key) ?? { account: known ? account : undefined, code, count: 0 };
    entry.count++;
    this.omitted.set(key, entry);
  }

  /** What was counted, to be written down once a window; it is forgotten here then. */
  collect(): Omitted[] {
    const all = [...this.omitted.values()];
    this.omitted.clear();
    return all;
  }

  private renew(now: number): void {
    this.began = now;
    this.taken = this.takenByRuns = 0;
    this.own.clear();
  }
}

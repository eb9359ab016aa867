interface Log {
  warn(entry: object, message?: string): void;
}

export interface LateWriting<T> {
  /** For the log: what the items are. */
  what: string;
  /** Items that wait at most. While the database hangs, writing takes up to 35 s. */
  most: number;
  /** The first item waits so long for others. */
  everyMs: number;
  write(items: T[]): Promise<void>;
  /** Is told what could not be written: to forget it, or to add it again. */
  failed?(items: T[]): void;
}

/**
 * Writes down what nobody waits for: in batches, a little late, one after the other. There is a bound to what waits; what is beyond it, or cannot
 * be written, is lost, and the log says how much.
 */
export class LateWriter<T> {
  private waiting: T[] = [];
  private lost = 0;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly writes: LateWriting<T>,
    private readonly log: Log,
  ) {}

  /** False: there is no room for it. */
  add(item: T): boolean {
    if (this.closed || this.waiting.length >= this.writes.most) {
      this.lost++;
      return false;
    }
    this.waiting.push(item);
    this.timer ??= setTimeout(() => this.flush(), this.writes.everyMs).unref();
    return true;
  }

  /** Writes what was added until now. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  /** Writes what waits; after that there is room for nothing. */
  async close(): Promise<void> {
    this.closed = true;
    await this.flush();
  }

  private async write(): Promise<void> {
    const { what, most, write, failed } = this.writes;
    const items = this.waiting;
    this.waiting = [];
    if (this.lost > 0) this.log.warn({ lost: this.lost }, `${what} were lost: no more than ${most} may wait to be written`);
    this.lost = 0;
    if (items.length === 0) return;
    try {
      await write(items);
    } catch (err) {
      this.log.warn({ err, items: items.length }, `${what} could not be written`);
      failed?.(items);
    }
  }
}

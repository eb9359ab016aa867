import type { ServerResponse } from 'node:http';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { whenOver } from '../../http/when-over.js';
import type { ClaimedRow } from '../sql/claim-runs.js';
import type { Worker } from './lease-runs.service.js';
import { Watermark } from './watermark.js';

/** What a worker asks for. The same key from the same worker gets the same runs again while it holds any of them. */
export interface Wish {
  worker: Worker;
  wanted: number;
  key: Buffer | undefined;
  /** The client that asks. */
  actor: string | undefined;
}

export interface Request extends Wish {
  /** Whether a statement looked on behalf of this request: not yet, it does so now, or it has. */
  look: 'due' | 'under way' | 'done';
  /** Its time is up: it is answered at the end of its look. Every request gets one, even with no time to wait. */
  over: boolean;
  /** Why its last look failed, if it did. It waits on all the same: the database may be back before its time is up. */
  failure: unknown;
  give(rows: ClaimedRow[]): void;
}

/** How a line is served. */
interface Service {
  /** Gives these requests what there is. Answers whether everybody got all they asked for, so that there may be more. */
  look(watermark: Watermark, batch: Request[]): Promise<boolean>;
  /** Gives these requests, which have keys, what their keys hold already. */
  recall(batch: Request[]): Promise<void>;
  /** Whether the worker may have work at the moment: it may be quarantined while it waits. */
  admits(worker: Worker): boolean;
}

const RUNS_PER_STATEMENT = 128;
/** Each may hold as many definitions as fit into an answer. */
const KEYS_PER_STATEMENT = 16;

/** Those who wait for one task queue in this process. */
export class ClaimLine {
  private readonly waiting = new Set<Request>();
  private readonly watermark = new Watermark();
  private serving = false;
  /** The last look found nothing left, and nobody has said otherwise since. */
  private empty = false;
  private usedAt = Date.now();

  constructor(private readonly service: Service) {}

  /** How many requests wait. */
  get length(): number {
    return this.waiting.size;
  }

  /** Whether nobody looks for what waits here: it needs to be told by somebody else. */
  get quiet(): boolean {
    return this.empty || (this.waiting.size > 0 && !this.serving); // also where only quarantined workers wait: their time may be over
  }

  /** Whether nobody has waited for so long. */
  unusedFor(ms: number): boolean {
    return this.waiting.size === 0 && !this.serving && Date.now() - this.usedAt >= ms;
  }

  /** Waits until there are runs, `waitMs` have passed (then none), or the connection of `answer` is gone. Rejects if its last look failed. */
  wait(wish: Wish, waitMs: number, answer: ServerResponse): Promise<ClaimedRow[]> {
    return new Promise((resolve, reject) => {
      let listening: (() => void) | undefined;
      const leave = () => {
        this.waiting.delete(request);
        this.usedAt = Date.now();
        clearTimeout(timer);
        listening?.();
      };
      const give = (rows: ClaimedRow[]) => {
        leave();
        if (rows.length === 0 && request.failure) reject(request.failure);
        else resolve(rows);
      };
      const { worker, wanted, key, actor } = wish;
      const request: Request = { worker, wanted, key, actor, look: 'due', over: false, failure: undefined, give };
      const stop = () => {
        request.over = true;
        if (request.look === 'done' || (request.look === 'due' && !this.serving)) request.give([]);
      };
      const hangUp = () => {
        request.look = request.look === 'due' ? 'done' : request.look; // nobody is there to be leased anything
        stop();
      };
      const timer = setTimeout(stop, waitMs);
      this.waiting.add(request);
      listening = whenOver(answer, hangUp); // it may have hung up while it was authenticated
      this.serve();
    });
  }

  /** There may be work. */
  wake(): void {
    this.empty = false;
    this.serve();
  }

  /** The database is back: whose look failed gets another one, be it only for what its key holds already. */
  lookAgain(): void {
    const failed = [...this.waiting].filter((request) => request.failure && request.look === 'done');
    for (const request of failed) request.look = 'due';
    if (failed.length > 0) this.wake();
  }

  /** Ends all waiting; what is being leased at this moment is still handed over. */
  close(): void {
    for (const request of this.waiting) {
      request.over = true;
      if (request.look !== 'under way') request.give([]);
    }
  }

  /** Serves until the line or the queue is empty. Only one at a time: who comes meanwhile is in the next statement. */
  private async serve(): Promise<void> {
    if (this.serving || this.waiting.size === 0) return;
    this.serving = true;
    for (;;) {
      await endOfTurn();
      const batch = this.next();
      if (batch.length === 0) break;
      await this.lookFor(batch);
      for (const request of batch) request.look = 'done';
      for (const request of this.waiting) if (request.over && request.look === 'done') request.give([]);
    }
    this.serving = false;
    for (const request of this.waiting) if (request.over) request.give([]);
  }

  /** Where nothing is pending, only for new keys: what they were given is found all the same, by one look each. */
  private next(): Request[] {
    if (!this.empty) return nextOf(this.admitted(), RUNS_PER_STATEMENT);
    const keyed = [...this.admitted()].filter(({ key, look }) => key && look === 'due');
    return keyed.slice(0, KEYS_PER_STATEMENT);
  }

  private async lookFor(batch: Request[]): Promise<void> {
    for (const request of batch) request.look = 'under way';
    if (this.empty) return this.service.recall(batch);
    this.empty = true; // before looking, so that a hint that comes meanwhile is not lost
    if (await this.service.look(this.watermark, batch)) this.empty = false;
  }

  private *admitted(): Iterable<Request> {
    for (const request of this.waiting) if (this.service.admits(request.worker)) yield request;
  }
}

/**
 * As many requests, in the order they came, as want about so many runs; and every request with a key that has had no look yet: what
 * its key holds already must not wait behind the others' wishes.
 */
function nextOf(waiting: Iterable<Request>, runs: number): Request[] {
  const batch: Request[] = [];
  let sum = 0;
  for (const request of waiting) {
    if (sum >= runs && !(request.key && request.look === 'due')) continue;
    batch.push(request);
    sum += request.wanted;
  }
  return batch;
}

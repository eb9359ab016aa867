import { setImmediate as endOfTurn } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Quarantine } from '../../fleet/quarantine.js';
import { Bulletin } from '../../postgres/bulletin.js';
import { Sql } from '../../postgres/sql.js';
import type { ClaimedRow } from '../sql/claim-runs.js';
import { findQueuesWithWork } from '../sql/find-queues-with-work.js';
import { type Lease, LeaseRuns, type Place, type Worker } from './lease-runs.service.js';
import { Watermark } from './watermark.js';

interface Request {
  worker: Worker;
  wanted: number;
  key: Buffer | undefined;
  /** Whether a statement looked on behalf of this request: not yet, it does so now, or it has. */
  look: 'due' | 'under way' | 'done';
  /** Its time is up: it is answered at the end of its look. Every request gets one, even with no time to wait. */
  over: boolean;
  /** Why its last look failed, if it did. It waits on all the same: the database may be back before its time is up. */
  failure: unknown;
  give(rows: ClaimedRow[]): void;
}

/** One task queue, as far as this process waits for it. */
interface Line {
  waiting: Set<Request>;
  serving: boolean;
  /** The last look found nothing left, and nobody has said otherwise since. */
  empty: boolean;
  watermark: Watermark;
  usedAt: number;
}

const RUNS_PER_STATEMENT = 128;
const POLL_MS = 1_000;
const REMEMBERED_MS = 60_000;

/**
 * Where claims wait. Requests for one queue that come while a statement is under way are served together by the next one, so a
 * lone request is never delayed and a crowd costs one statement. On an empty queue nobody asks at all until a hint comes (a task
 * was created here, or on another replica); one query a second for all queues together is the floor under lost hints.
 */
@Injectable()
export class ClaimDesk implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly lines = new Map<string, Line>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private polling = false;

  constructor(
    private readonly sql: Sql,
    private readonly bulletin: Bulletin,
    private readonly quarantine: Quarantine,
    private readonly leasing: LeaseRuns,
  ) {}

  onApplicationBootstrap(): void {
    this.bulletin.subscribe(({ queues, all }) => {
      for (const taskQueueId of all ? this.lines.keys() : queues) this.wake(taskQueueId);
    });
    this.timer = setInterval(() => this.poll(), POLL_MS);
    this.timer.unref();
  }

  /** Ends all waiting, so that a stopping service is not held up by long polls. */
  onModuleDestroy(): void {
    this.closed = true;
    clearInterval(this.timer);
    for (const { waiting } of this.lines.values()) {
      for (const request of waiting) {
        request.over = true; // what is being leased for it at this moment is still handed over
        if (request.look !== 'under way') request.give([]);
      }
    }
  }

  /** There is work for this queue: tells those who wait here and on the other replicas. */
  announce(taskQueueId: string): void {
    this.wake(taskQueueId);
    this.bulletin.queueHasWork(taskQueueId);
  }

  /**
   * Leases up to `wanted` runs as soon as there are any; none when `waitMs` have passed or the caller hung up. The same key from
   * the same worker gets the same runs again while it holds any of them.
   */
  claim(
    taskQueueId: string,
    worker: Worker,
    wanted: number,
    key: Buffer | undefined,
    waitMs: number,
    hungUp: AbortSignal,
  ): Promise<ClaimedRow[]> {
    if (this.closed) return Promise.resolve([]);
    const line = this.line(taskQueueId);
    return new Promise((resolve, reject) => {
      const leave = () => {
        line.waiting.delete(request);
        line.usedAt = Date.now();
        clearTimeout(timer);
        hungUp.removeEventListener('abort', hangUp);
      };
      const request: Request = {
        worker,
        wanted,
        key,
        look: 'due',
        over: false,
        failure: undefined,
        give: (rows) => {
          leave();
          if (rows.length === 0 && request.failure) reject(request.failure);
          else resolve(rows);
        },
      };
      const stop = () => {
        request.over = true;
        if (request.look === 'done' || (request.look === 'due' && !line.serving)) request.give([]);
      };
      const hangUp = () => {
        request.look = request.look === 'due' ? 'done' : request.look; // nobody is there to be leased anything
        stop();
      };
      const timer = setTimeout(stop, waitMs);
      hungUp.addEventListener('abort', hangUp);
      line.waiting.add(request);
      if (key) line.empty = false; // what the key was given is found even when nothing is pending
      if (hungUp.aborted) hangUp();
      else this.serve(taskQueueId, line);
    });
  }

  /** How many calls wait here. */
  get waiting(): number {
    let sum = 0;
    for (const { waiting } of this.lines.values()) sum += waiting.size;
    return sum;
  }

  private line(taskQueueId: string): Line {
    const known = this.lines.get(taskQueueId);
    if (known) return known;
    const line: Line = { waiting: new Set(), serving: false, empty: false, watermark: new Watermark(), usedAt: Date.now() };
    this.lines.set(taskQueueId, line);
    return line;
  }

  private wake(taskQueueId: string): void {
    const line = this.lines.get(taskQueueId);
    if (!line) return;
    line.empty = false;
    this.serve(taskQueueId, line);
  }

  /** Serves the line until it or the queue is empty. Only one at a time: who comes meanwhile is in the next statement. */
  private async serve(taskQueueId: string, line: Line): Promise<void> {
    if (line.serving) return;
    line.serving = true;
    while (!line.empty) {
      await endOfTurn();
      const batch = nextOf(this.allowed(taskQueueId, line), RUNS_PER_STATEMENT);
      if (batch.length === 0) break;
      line.empty = true; // before looking, so that a hint that comes meanwhile is not lost
      for (const request of batch) request.look = 'under way';
      const satisfied = await this.look(taskQueueId, line.watermark, batch);
      for (const request of batch) request.look = 'done';
      if (satisfied) line.empty = false;
      for (const request of line.waiting) if (request.over && request.look === 'done') request.give([]);
    }
    line.serving = false;
    for (const request of line.waiting) if (request.over) request.give([]);
  }

  /** A worker may be quarantined while it waits. */
  private *allowed(taskQueueId: string, { waiting }: Line): Iterable<Request> {
    for (const request of waiting) if (!this.quarantine.holds(taskQueueId, request.worker)) yield request;
  }

  /** Whether everybody got all they asked for, or all that fits into one answer, so that there may be more. */
  private async look(taskQueueId: string, watermark: Watermark, batch: Request[]): Promise<boolean> {
    const plain = batch.filter((request) => !request.key);
    const looks = batch.flatMap((request) =>
      request.key ? [hand([request], this.leasing.leaseOnce(taskQueueId, watermark, request.key, placesOf(request)))] : [],
    );
    if (plain.length > 0) looks.push(hand(plain, this.leasing.lease(taskQueueId, watermark, plain.flatMap(placesOf))));
    return (await Promise.all(looks)).every((satisfied) => satisfied);
  }

  /** The database is back: whose look failed gets another one, be it only for what its key holds already. */
  private lookAgain(taskQueueId: string, { waiting }: Line): void {
    const failed = [...waiting].filter((request) => request.failure && request.look === 'done');
    for (const request of failed) request.look = 'due';
    if (failed.length > 0) this.wake(taskQueueId);
  }

  /** The floor under lost hints. */
  private async poll(): Promise<void> {
    const now = Date.now();
    for (const [taskQueueId, line] of this.lines) {
      if (line.waiting.size === 0 && !line.serving && now - line.usedAt > REMEMBERED_MS) this.lines.delete(taskQueueId);
    }
    // also lines where only quarantined workers wait: their time may be over
    const quiet = [...this.lines].filter(([, line]) => line.empty || (line.waiting.size > 0 && !line.serving));
    if (quiet.length === 0 || this.polling) return;
    this.polling = true;
    try {
      const found = await this.sql.query(findQueuesWithWork, [quiet.map(([taskQueueId]) => taskQueueId)]);
      for (const { taskQueueId } of found) this.wake(taskQueueId);
      for (const [taskQueueId, line] of quiet) this.lookAgain(taskQueueId, line);
    } catch {
      // the database is away; the next poll looks again
    } finally {
      this.polling = false;
    }
  }
}

function placesOf({ worker, key, wanted }: Request): Place[] {
  return Array.from({ length: wanted }, () => ({ worker, key }));
}

/** Gives each request the runs of its places; whether there may be more for others. A failure is remembered with these requests alone. */
async function hand(requests: Request[], leased: Promise<Lease>): Promise<boolean> {
  try {
    const { rows, mayBeMore } = await leased;
    const holders = requests.flatMap((request) => Array<Request>(request.wanted).fill(request));
    const given = new Map<Request, ClaimedRow[]>(requests.map((request) => [request, []]));
    for (const row of rows) given.get(holders[row.place] as Request)?.push(row);
    for (const [request, runs] of given) {
      request.failure = undefined;
      if (runs.length > 0) request.give(runs);
    }
    return mayBeMore;
  } catch (error) {
    for (const request of requests) request.failure = error;
    return false;
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

import type { ServerResponse } from 'node:http';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Quarantine } from '../../fleet/quarantine.js';
import { Bulletin } from '../../postgres/bulletin.js';
import { HotSql } from '../../postgres/hot-sql.js';
import type { ClaimedRow } from '../sql/claim-runs.js';
import { findQueuesWithWork } from '../sql/find-queues-with-work.js';
import { ClaimLine, type Request, type Wish } from './claim-line.js';
import { type Lease, LeaseRuns, type Place } from './lease-runs.service.js';
import type { Watermark } from './watermark.js';

const POLL_MS = 1_000;
const REMEMBERED_MS = 60_000;

/**
 * Lines are made for any name that a caller makes up. Beyond so many all are forgotten in which nobody waits; the next claim looks for
 * itself. In others at most 5 000 can wait (MOST_POLLS), so a scan frees thousands of places, and comes once for as many new names.
 */
const MOST_LINES = 10_000;

/** One statement asks about so many queues (3 ms): a connection is never held by it for long. */
const QUEUES_PER_STATEMENT = 1_000;

/**
 * Where claims wait. Requests for one queue that come while a statement is under way are served together by the next one, so a
 * lone request is never delayed and a crowd costs one statement. On an empty queue nobody asks at all until a hint comes (a task
 * was created here, or on another replica); one query a second for all queues together is the floor under lost hints.
 */
@Injectable()
export class ClaimDesk implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly lines = new Map<string, ClaimLine>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private polling = false;

  constructor(
    private readonly hot: HotSql,
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
    for (const line of this.lines.values()) line.close();
  }

  /** There is work for this queue: tells those who wait here and on the other replicas. */
  announce(taskQueueId: string): void {
    this.wake(taskQueueId);
    this.bulletin.queueHasWork(taskQueueId);
  }

  /**
   * Leases up to `wish.wanted` runs as soon as there are any; none when `waitMs` have passed or the caller hung up. The same key from
   * the same worker gets the same runs again while it holds any of them.
   */
  claim(taskQueueId: string, wish: Wish, waitMs: number, answer: ServerResponse): Promise<ClaimedRow[]> {
    if (this.closed) return Promise.resolve([]);
    return this.line(taskQueueId).wait(wish, waitMs, answer);
  }

  /** How many calls wait here. */
  get waiting(): number {
    let sum = 0;
    for (const line of this.lines.values()) sum += line.length;
    return sum;
  }

  private line(taskQueueId: string): ClaimLine {
    const known = this.lines.get(taskQueueId);
    if (known) return known;
    if (this.lines.size >= MOST_LINES) this.forget(0);
    const line = new ClaimLine({
      look: (watermark, batch) => this.look(taskQueueId, watermark, batch),
      recall: (batch) => this.recall(batch),
      admits: (worker) => !this.quarantine.holds(taskQueueId, worker),
    });
    this.lines.set(taskQueueId, line);
    return line;
  }

  private wake(taskQueueId: string): void {
    this.lines.get(taskQueueId)?.wake();
  }

  private forget(unusedMs: number): void {
    for (const [taskQueueId, line] of this.lines) if (line.unusedFor(unusedMs)) this.lines.delete(taskQueueId);
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

  private async recall(batch: Request[]): Promise<void> {
    try {
      const rows = await this.leasing.held(batch);
      give(batch, rows, ({ asked }) => asked);
    } catch (error) {
      for (const request of batch) request.failure = error;
    }
  }

  /** The floor under lost hints. */
  private async poll(): Promise<void> {
    this.forget(REMEMBERED_MS);
    if (this.polling) return;
    this.polling = true;
    try {
      const quiet = [...this.lines].filter(([, line]) => line.quiet);
      for (let at = 0; at < quiet.length; at += QUEUES_PER_STATEMENT) await this.ask(quiet.slice(at, at + QUEUES_PER_STATEMENT));
    } catch {
      // the database is away; the next poll looks again
    } finally {
      this.polling = false;
    }
  }

  private async ask(quiet: [taskQueueId: string, line: ClaimLine][]): Promise<void> {
    const found = await this.hot.query(findQueuesWithWork, [quiet.map(([taskQueueId]) => taskQueueId)]);
    for (const { taskQueueId } of found) this.wake(taskQueueId);
    for (const [, line] of quiet) line.lookAgain();
  }
}

function placesOf({ worker, key, actor, wanted }: Request): Place[] {
  return Array.from({ length: wanted }, () => ({ worker, key, actor }));
}

/** Gives each request the runs of its places; whether there may be more for others. A failure is remembered with these requests alone. */
async function hand(requests: Request[], leased: Promise<Lease>): Promise<boolean> {
  try {
    const { rows, mayBeMore } = await leased;
    const places = requests.flatMap(({ wanted }, index) => Array<number>(wanted).fill(index));
    give(requests, rows, ({ place }) => places[place] as number);
    return mayBeMore;
  } catch (error) {
    for (const request of requests) request.failure = error;
    return false;
  }
}

/** Gives each request its runs; `of` tells which one a run is for. */
function give<Row extends ClaimedRow>(requests: Request[], rows: Row[], of: (row: Row) => number): void {
  const given = requests.map((): Row[] => []);
  for (const row of rows) given[of(row)]?.push(row);
  for (const [index, request] of requests.entries()) {
    const runs = given[index] as Row[];
    request.failure = undefined;
    if (runs.length > 0) request.give(runs);
  }
}

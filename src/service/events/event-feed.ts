import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Sql } from '../postgres/sql.js';
import { cut, eventOf, type FeedEvent, type FeedPage } from './feed-event.js';
import { comparePositions, type Position } from './position.js';
import { positionOf, readPage } from './read-page.js';
import { findEventBounds } from './sql/find-event-bounds.js';

/** Strangers who come back with old positions wait for one another, and nobody else for them. */
export type Lane = 'known' | 'anonymous';

const POLL_MS = 200;
const PAGE = 100;
const MOST_KEPT = 5_000;
const MOST_CHARACTERS = 16 * 1024 * 1024;

/**
 * The end of the event log, in memory while anybody follows it: one query every 200 ms for all streams of this process, none while
 * there are none. Who comes with an older position reads pages from the database until it has caught up.
 */
@Injectable()
export class EventFeed implements OnModuleDestroy {
  private recent: FeedEvent[] = [];
  private characters = 0;
  /** Of the kept ones, none is at or before `begin`; `end` is how far was read. */
  private begin: Position = { tx: 0n, id: 0n };
  private end: Position = { tx: 0n, id: 0n };
  private followers = 0;
  private opening: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly lanes: Record<Lane, Promise<unknown>> = { known: Promise.resolve(), anonymous: Promise.resolve() };
  private readonly sleepers = new Set<() => void>();
  private closed = false;

  constructor(private readonly sql: Sql) {}

  /** Ends all streams, so that a stopping service is not held up by them. */
  onModuleDestroy(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.wake();
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Begins to follow; answers the position from which on nothing will be missed. Each call that succeeds needs one `leave()`. */
  async join(): Promise<Position> {
    this.followers++; // first: otherwise a poll meanwhile may find nobody, and stop
    try {
      this.opening ??= this.open();
      await this.opening;
      return await this.head();
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  leave(): void {
    this.followers--;
  }

  /** Whether events after this position may have been deleted, or the position is of another database. */
  async hasForgotten(position: Position): Promise<boolean> {
    const [bounds] = await this.sql.query(findEventBounds);
    if (!bounds) return true;
    const forgotten = positionOf({ tx: bounds.forgottenTx, id: bounds.forgottenId });
    return comparePositions(position, forgotten) < 0 || position.tx > BigInt(bounds.newest);
  }

  /** The events after a position; waits up to `waitMs` for the first. Comes back early, with none, when `signal` fires. */
  async after(position: Position, lane: Lane, waitMs: number, signal: AbortSignal): Promise<FeedPage> {
    if (comparePositions(position, this.begin) < 0) {
      const page = await this.catchUp(position, lane, signal);
      if (comparePositions(page.position, position) === 0) await this.sleep(POLL_MS, signal); // the horizon was higher a moment ago
      return page;
    }
    const page = this.newer(position);
    if (page.events.length > 0) return page;
    await this.sleep(waitMs, signal);
    return this.newer(position);
  }

  private newer(position: Position): FeedPage {
    if (comparePositions(position, this.begin) < 0) return { events: [], position }; // it slept while much was dropped
    let first = this.recent.length;
    while (first > 0 && comparePositions((this.recent[first - 1] as FeedEvent).position, position) > 0) first--;
    const rest = this.recent.slice(first);
    const events = cut(rest);
    if (events.length < rest.length) return { events, position: (events.at(-1) as FeedEvent).position };
    return { events, position: comparePositions(this.end, position) > 0 ? this.end : position };
  }

  /** One page at a time: whoever comes back with an old position costs the others one connection, not all. */
  private catchUp(position: Position, lane: Lane, signal: AbortSignal): Promise<FeedPage> {
    const page = this.lanes[lane].then(async () => {
      if (signal.aborted || this.closed) return { events: [], position };
      const read = await this.read(position);
      const events = cut(read.events);
      return events.length < read.events.length ? { events, position: (events.at(-1) as FeedEvent).position } : read;
    });
    this.lanes[lane] = page.catch(() => undefined);
    return page;
  }

  private async read(after: Position): Promise<FeedPage> {
    const { rows, position } = await readPage(this.sql, after, PAGE);
    return { events: rows.map(eventOf), position };
  }

  private async open(): Promise<void> {
    try {
      this.begin = await this.head();
      this.end = this.begin;
      this.pollSoon(POLL_MS);
    } catch (error) {
      this.opening = undefined; // who comes next tries again
      throw error;
    }
  }

  private async head(): Promise<Position> {
    const [bounds] = await this.sql.query(findEventBounds);
    return { tx: BigInt(bounds?.head ?? 0), id: 0n };
  }

  private pollSoon(wait: number): void {
    if (this.closed) return;
    this.timer = setTimeout(() => this.poll(), wait);
    this.timer.unref();
  }

  private async poll(): Promise<void> {
    if (this.followers === 0) return this.rest();
    let full = false;
    try {
      const { events, position } = await this.read(this.end);
      full = events.length === PAGE;
      this.keep(events);
      if (comparePositions(position, this.end) > 0) this.end = position;
      if (events.length > 0) this.wake();
    } catch {
      // the database is away; the next poll reads on from the same place
    }
    this.pollSoon(full ? 0 : POLL_MS);
  }

  /** Nobody follows: nothing is kept, and nobody asks the database. */
  private rest(): void {
    this.recent = [];
    this.characters = 0;
    this.opening = undefined;
  }

  private keep(events: FeedEvent[]): void {
    this.recent.push(...events);
    for (const { data } of events) this.characters += data.length;
    let drop = 0;
    while (this.recent.length - drop > MOST_KEPT || this.characters > MOST_CHARACTERS) {
      const dropped = this.recent[drop++] as FeedEvent;
      this.characters -= dropped.data.length;
      this.begin = dropped.position;
    }
    if (drop > 0) this.recent = this.recent.slice(drop);
  }

  private wake(): void {
    for (const waken of [...this.sleepers]) waken();
  }

  private sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.closed) return Promise.resolve();
    return new Promise((done) => {
      const waken = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', waken);
        this.sleepers.delete(waken);
        done();
      };
      const timer = setTimeout(waken, ms);
      signal.addEventListener('abort', waken);
      this.sleepers.add(waken);
    });
  }
}

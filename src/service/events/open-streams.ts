import type { ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Quota } from '../http/quota.js';
import { whenOver } from '../http/when-over.js';

const MOST = { all: 2_000, client: 1_000, strangers: 200 };
const LOOK_MS = 5_000;
const STUCK_MS = 30_000;
const GRACE_MS = 2_000;

interface OpenStream {
  until: number;
  /** Since when its client has not read what was sent; unix milliseconds. */
  stuckSince?: number;
}

/**
 * The event streams of this process, so that there are not too many, and none stays open for who does not read: such a stream would
 * not notice that its time is over, hold a page in memory, and hold up a service that stops.
 */
@Injectable()
export class OpenStreams implements OnModuleDestroy {
  private readonly places = new Quota('event streams', MOST);
  private readonly streams = new Map<ServerResponse, OpenStream>();
  private timer: NodeJS.Timeout | undefined;

  /** Throws ServiceUnavailable. */
  assertRoom(account: string): void {
    this.places.assertRoom(account);
  }

  /** Counts a stream in until it closes, and ends it soon after `until` (unix milliseconds). Throws ServiceUnavailable. */
  admit(response: ServerResponse, account: string, until: number): void {
    const leave = this.places.take(account);
    this.streams.set(response, { until });
    whenOver(response, () => {
      leave();
      this.streams.delete(response);
    });
    this.timer ??= setInterval(() => this.look(Date.now()), LOOK_MS).unref();
  }

  /** Those that read end by themselves. */
  onModuleDestroy(): void {
    clearInterval(this.timer);
    for (const response of this.streams.keys()) if (response.writableNeedDrain) response.destroy();
    setTimeout(() => this.destroyAll(), GRACE_MS).unref();
  }

  private look(now: number): void {
    for (const [response, stream] of this.streams) {
      if (!response.writableNeedDrain) delete stream.stuckSince;
      else stream.stuckSince ??= now;
      if (now > stream.until + LOOK_MS || now - (stream.stuckSince ?? now) >= STUCK_MS) response.destroy();
    }
  }

  private destroyAll(): void {
    for (const response of this.streams.keys()) response.destroy();
  }
}

import type { ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ApiError } from '../http/api-error.js';

const MOST = 2_000;
const MOST_ANONYMOUS = 200;
const LOOK_MS = 5_000;
const STUCK_MS = 30_000;
const GRACE_MS = 2_000;

interface OpenStream {
  anonymous: boolean;
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
  private readonly streams = new Map<ServerResponse, OpenStream>();
  private timer: NodeJS.Timeout | undefined;

  /** Throws TooManyRequests. */
  assertRoom(anonymous: boolean): void {
    const strangers = [...this.streams.values()].filter((stream) => stream.anonymous).length;
    if (this.streams.size >= MOST || (anonymous && strangers >= MOST_ANONYMOUS)) {
      const whose = anonymous ? `${MOST_ANONYMOUS} event streams of callers without credentials` : `${MOST} event streams`;
      throw new ApiError('TooManyRequests', `More than ${whose} are not served at once; close one, or come back later`);
    }
  }

  /** Counts a stream in until it closes, and ends it soon after `until` (unix milliseconds). Throws TooManyRequests. */
  admit(response: ServerResponse, anonymous: boolean, until: number): void {
    this.assertRoom(anonymous);
    this.streams.set(response, { anonymous, until });
    response.once('close', () => this.streams.delete(response));
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

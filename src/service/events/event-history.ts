import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Config } from '../config.js';
import { Sql } from '../postgres/sql.js';
import { forgetEvents } from './sql/forget-events.js';
import { rebaseEvents } from './sql/rebase-events.js';

/** Who reads for the whole deployment, and must have read what is deleted. */
const READERS = ['groups'];
const BATCH = 1_000;
const FORGET_MS = 60_000;

/** How long events are kept: for clients that come back. */
@Injectable()
export class EventHistory implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.sql.query(rebaseEvents);
    this.timer = setInterval(() => this.forget().catch(() => undefined), FORGET_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Deletes a batch of what is old enough; whether there may be more. */
  async forget(): Promise<boolean> {
    const [row] = await this.sql.query(forgetEvents, [this.config.eventRetention, READERS, BATCH]);
    return row?.forgotten === BATCH;
  }
}

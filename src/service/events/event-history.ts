import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config.js';
import { Housekeeper, type Left, leftAfter } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import { forgetEvents } from './sql/forget-events.js';
import { rebaseEvents } from './sql/rebase-events.js';

/** Who reads for the whole deployment, and must have read what is deleted. */
const READERS = ['groups'];
const BATCH = 1_000;
const FORGET_EVERY = 60;

/** How long events are kept: for clients that come back. */
@Injectable()
export class EventHistory implements OnModuleInit, OnApplicationBootstrap {
  constructor(
    private readonly sql: Sql,
    private readonly config: Config,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    this.housekeeper.register({ name: 'forgetting events', every: FORGET_EVERY, batch: () => this.forget() });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.sql.query(rebaseEvents);
  }

  /** Deletes a batch of what is old enough. */
  async forget(): Promise<Left> {
    const [row] = await this.sql.query(forgetEvents, [this.config.eventRetention, READERS, BATCH]);
    return leftAfter(row?.forgotten ?? 0, BATCH);
  }
}

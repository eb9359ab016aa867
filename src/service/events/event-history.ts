import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config.js';
import { Housekeeper, type Left, leftAfter } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import { AMQP_READER } from './amqp/amqp-publisher.js';
import { forgetEvents } from './sql/forget-events.js';
import { rebaseEvents } from './sql/rebase-events.js';

/** Who reads for the whole deployment, and must have read what is deleted. */
const READERS = ['groups'];
/** Only while it is wanted: without AMQP_URL nobody would ever move its place. */
const AMQP_READERS = [...READERS, AMQP_READER];
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
    const { eventRetention, amqpUrl } = this.config;
    const readers = amqpUrl === undefined ? READERS : AMQP_READERS;
    const [row] = await this.sql.query(forgetEvents, [eventRetention, readers, BATCH]);
    return leftAfter(row?.forgotten ?? 0, BATCH);
  }
}

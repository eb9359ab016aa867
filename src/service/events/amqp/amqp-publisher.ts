import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Config } from '../../config.js';
import { Logger } from '../../http/logger.js';
import { type Runner, Sql } from '../../postgres/sql.js';
import { EVENT_KINDS, messageOf, PUBLISHED_KINDS } from '../event-message.js';
import { positionOf, readPage } from '../read-page.js';
import { beginReading, type ReaderRow } from '../sql/begin-reading.js';
import { moveReader } from '../sql/move-reader.js';
import type { EventRow } from '../sql/read-events.js';
import { type AmqpMessage, Broker, MessageRefused } from './broker.js';
import { ccOf, exchangeOf, routingKeyOf } from './routing-key.js';

/** Its name as a reader of events, and that of the lock under which one replica publishes. */
export const AMQP_READER = 'amqp';

const BATCH = 500; // what is persistent is confirmed tens of milliseconds later, however much it is
const POLL_MS = 200;
const STAND_BY_MS = 1_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/**
 * Tells a broker what happened: each event at least once, in order. One replica publishes, the others stand by. It moves its place
 * after the broker has confirmed, so whatever fails before that is sent again, by whoever comes next; nothing waits for it.
 */
@Injectable()
export class AmqpPublisher implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private isDown: boolean | undefined;
  private failures = 0;
  /** So many events go one by one: the broker refused one of them, and did not say which. */
  private oneByOne = 0;

  constructor(
    private readonly sql: Sql,
    private readonly config: Config,
    private readonly logger: Logger,
  ) {}

  /** From now on nothing is missed, whether or not there is a broker yet. */
  async onApplicationBootstrap(): Promise<void> {
    const { amqpUrl } = this.config;
    if (amqpUrl === undefined) return;
    const [reader] = await this.sql.query(beginReading, [AMQP_READER]);
    if (reader?.missed)
      this.logger.warn({}, 'AMQP: events were deleted before they could be sent; AMQP_URL was not set for longer than EVENT_RETENTION');
    this.running = this.run(amqpUrl);
  }

  /** A batch that is under way is finished, if the broker answers. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(url: string): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.sql.exclusively(AMQP_READER, (runner) => this.publish(runner, url));
        await this.pause(STAND_BY_MS);
      } catch (error) {
        this.tellDown(error as Error);
        const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures++);
        await this.pause(most * (0.5 + Math.random() / 2)); // meanwhile another replica may have more luck
      }
    }
  }

  /** Until the service stops; throws when broker or database fail. */
  private async publish(runner: Runner, url: string): Promise<void> {
    const broker = await Broker.connect(url, this.stopping.signal);
    try {
      let place: Place | undefined = (await runner.query(beginReading, [AMQP_READER]))[0];
      while (place && !this.stopping.signal.aborted) {
        const size = this.oneByOne > 0 ? 1 : BATCH;
        const { rows } = await readPage(runner, positionOf(place), size);
        broker.assertAlive();
        if (rows.length > 0) place = await this.pass(runner, broker, place, rows);
        this.tellUp();
        if (rows.length < size) await this.pause(POLL_MS);
      }
    } finally {
      await broker.close();
    }
  }

  /** Sends events and moves the reader past them. */
  private async pass(runner: Runner, broker: Broker, place: Place, rows: EventRow[]): Promise<Place> {
    const last = rows.at(-1) as EventRow;
    try {
      await broker.send(
        rows.map((row) => this.messageFrom(row)).filter((message) => message !== undefined),
        this.stopping.signal,
      );
      this.oneByOne = Math.max(0, this.oneByOne - rows.length);
    } catch (error) {
      if (!(error instanceof MessageRefused)) throw error;
      if (rows.length > 1) {
        this.oneByOne = rows.length;
        throw error;
      }
      this.logger.error({ err: error, ...named(last) }, 'AMQP: the broker refuses this event; it is left out');
      await move(runner, place, last);
      throw error; // a refusal ends the channel
    }
    await move(runner, place, last);
    return last;
  }

  /** Undefined for what is only told in streams, and for what cannot be told: a newer version, which runs beside this one, may write kinds that are unknown here. */
  private messageFrom(row: EventRow): AmqpMessage | undefined {
    try {
      if (!(EVENT_KINDS as readonly string[]).includes(row.kind)) throw new Error(`unknown kind of event: ${row.kind}`);
      if (!(PUBLISHED_KINDS as readonly string[]).includes(row.kind)) return undefined;
      const message = messageOf(row);
      const content = Buffer.from(JSON.stringify(message.payload));
      return { exchange: exchangeOf(message.kind), routingKey: routingKeyOf(message), cc: ccOf(message), content };
    } catch (error) {
      this.logger.error({ err: error, ...named(row) }, 'AMQP: this event has no message; it is left out');
      return undefined;
    }
  }

  private tellUp(): void {
    this.failures = 0;
    if (this.isDown !== false) this.logger.info({}, 'AMQP: this replica sends the events');
    this.isDown = false;
  }

  /** Once, however often it is tried in vain. */
  private tellDown(err: Error): void {
    if (!this.isDown) this.logger.warn({ err }, 'AMQP: events cannot be sent now; they are kept, and sent later');
    this.isDown = true;
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
  }
}

type Place = Pick<ReaderRow, 'tx' | 'id'>;

async function move(runner: Runner, from: Place, to: Place): Promise<void> {
  const moved = await runner.query(moveReader, [AMQP_READER, from.tx, from.id, to.tx, to.id]);
  if (moved.length === 0) throw new Error('another replica has sent these events');
}

function named({ tx, id, kind, taskId, taskGroupId }: EventRow) {
  return { event: `${tx}-${id}`, kind, taskId, taskGroupId };
}

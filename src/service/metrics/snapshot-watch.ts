import { Injectable } from '@nestjs/common';
import { Logger } from '../http/logger.js';
import { Housekeeper } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import { HOT_TABLES } from './database-metrics.js';
import { type DatabaseHealth, type Holder, readDatabaseHealth } from './sql/read-database-health.js';

const LOOK_SECONDS = 60;
const TOO_OLD_SECONDS = 300;
const TOO_FAR = 1_000_000; // transactions: a quarter of a million tasks; for who has no clock
const SILENCE_MS = 600_000;

/**
 * Tells the log who keeps dead rows from being removed: a queue whose tables are not cleaned slows down by the hour, and events wait
 * for who writes. Every replica says so.
 */
@Injectable()
export class SnapshotWatch {
  private saidAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly sql: Sql,
    private readonly log: Logger,
    housekeeper: Housekeeper,
  ) {
    housekeeper.register({ name: 'watching the oldest snapshot', every: LOOK_SECONDS, batch: () => this.look() });
  }

  /** Warns of the oldest snapshot if it is older than so many seconds; not again within ten minutes. */
  async look(tooOld = TOO_OLD_SECONDS): Promise<'done'> {
    const [health] = await this.sql.query(readDatabaseHealth, [HOT_TABLES]);
    const holder = health && offender(health, tooOld);
    if (!holder || performance.now() - this.saidAt < SILENCE_MS) return 'done';
    this.saidAt = performance.now();
    this.log.warn({ holder }, `The queue cannot be cleaned while this is held open; ${remedy(holder)}`);
    return 'done';
  }
}

function offender({ oldest, furthest }: DatabaseHealth, tooOld: number): Holder | undefined {
  if (oldest?.seconds && oldest.seconds > tooOld) return oldest;
  return furthest && furthest.seconds === null && furthest.transactions > TOO_FAR ? furthest : undefined;
}

function remedy({ kind, pid }: Holder): string {
  if (kind === 'session') return `end it: select pg_terminate_backend(${pid})`;
  if (kind === 'replication slot') return 'let its reader catch up, or drop it: select pg_drop_replication_slot(…)';
  return 'end it: commit prepared …, or rollback prepared …';
}

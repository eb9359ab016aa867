import { setTimeout as sleep } from 'node:timers/promises';
import { Gauge, Registry } from 'prom-client';
import type { Sql } from '../postgres/sql.js';
import { type DatabaseHealth, readDatabaseHealth } from './sql/read-database-health.js';

/** The tables that every task changes. */
export const HOT_TABLES = ['event', 'past_run', 'task', 'task_definition', 'task_group'];
const FRESH_MS = 5_000;
const PATIENCE_MS = 3_000;

/**
 * Metrics of the database, by one statement, which runs at most every 5 s however often it is asked for, and never twice at once.
 * When it takes more than 3 s, or fails, there is only `leasehold_database_up 0`; the statement itself ends by the pool's time-out.
 */
export class DatabaseMetrics {
  private text: Promise<string> | undefined;
  private readAt = 0;

  constructor(private readonly sql: Sql) {}

  /** In the text format. */
  async read(): Promise<string> {
    if (!this.text || performance.now() - this.readAt > FRESH_MS) {
      this.readAt = Number.POSITIVE_INFINITY; // under way: nobody starts another
      this.text = this.look().finally(() => {
        this.readAt = performance.now();
      });
    }
    const giveUp = new AbortController();
    const late = sleep(PATIENCE_MS, undefined, { signal: giveUp.signal }).then(
      () => written(undefined),
      () => '',
    );
    return Promise.race([this.text, late]).finally(() => giveUp.abort());
  }

  private async look(): Promise<string> {
    const [health] = await this.sql.query(readDatabaseHealth, [HOT_TABLES]).catch(() => []);
    return written(health);
  }
}

function written(health: DatabaseHealth | undefined): Promise<string> {
  const registers = [new Registry()] as [Registry];
  const gauge = (name: string, help: string, value: number) => new Gauge({ name, help, registers }).set(value);
  const gauges = (name: string, help: string, label: string, values: (readonly [string, number])[]) => {
    const one = new Gauge({ name, help, labelNames: [label], registers });
    for (const [of, value] of values) one.set({ [label]: of }, value);
  };
  gauge('leasehold_database_up', 'Whether the database answered within 3 s; when not (0), nothing else is known of it', health ? 1 : 0);
  if (!health) return registers[0].metrics();
  const { oldest, furthest, tables, readers } = health;
  const of = (what: 'live' | 'dead' | 'bytes') => tables.map((one) => [one.table, one[what]] as const);
  const behind = readers.map(({ reader, seconds }) => [reader, seconds] as const);
  gauge('leasehold_oldest_snapshot_seconds', 'How long somebody has kept dead rows from being removed', oldest?.seconds ?? 0);
  gauge('leasehold_oldest_snapshot_transactions', 'The same in transactions, with slots and standbys', furthest?.transactions ?? 0);
  gauges('leasehold_table_live_rows', 'Rows, as Postgres estimates', 'table', of('live'));
  gauges('leasehold_table_dead_rows', 'Dead rows that are not removed yet, as Postgres estimates', 'table', of('dead'));
  gauges('leasehold_table_bytes', 'Size with indexes', 'table', of('bytes'));
  gauges('leasehold_event_reader_lag_seconds', 'Age of the first event that a reader has yet to read', 'reader', behind);
  return registers[0].metrics();
}

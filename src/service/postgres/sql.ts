import type { Pool, PoolClient } from 'pg';
import { DatabaseAway, isDatabaseAway } from './database-away.js';

/** One static statement. The name makes Postgres keep its plan: 1.6 times the throughput of an unnamed one. */
export interface Statement<Row> {
  readonly name: string;
  readonly text: string;
  /** Only a type: what a row of the answer looks like. */
  readonly row?: Row;
}

/** Declares a statement; `name` is unique in the program (its file's name). */
export function statement<Row>(name: string, text: string): Statement<Row> {
  return { name, text };
}

/** Runs statements. Both `Sql` and a transaction are one. */
export interface Runner {
  query<Row>(statement: Statement<Row>, parameters?: readonly unknown[]): Promise<Row[]>;
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';
const TRIES = 5;

/** How many may wait for one of the connections: a second's worth. Who asks in vain costs less than one who waits ten seconds in vain. */
const MOST_WAITING = 2_000;

/**
 * The one door to raw SQL: always rows, always a named statement. A deadlock or a serialization failure rolled everything
 * back, so it is tried again (5 times, then thrown). Who could not be asked at all is DatabaseAway; other errors of Postgres come out as
 * they are.
 */
export class Sql implements Runner {
  constructor(protected readonly pool: Pool) {}

  /** Connections of the pool that are busy or idle, and calls that wait for one. */
  get connections(): { busy: number; idle: number; waiting: number } {
    const { totalCount, idleCount: idle, waitingCount: waiting } = this.pool;
    return { busy: totalCount - idle, idle, waiting };
  }

  async query<Row>(statement: Statement<Row>, parameters: readonly unknown[] = []): Promise<Row[]> {
    this.assertNoCrowd();
    return retried(() => run(this.pool, statement, parameters));
  }

  /** Commits what `work` did, or nothing of it. `work` may run more than once, so it must not do anything but SQL. */
  async transaction<T>(work: (runner: Runner) => Promise<T>): Promise<T> {
    this.assertNoCrowd();
    return retried(async () => {
      const client = await this.pool.connect();
      let broken: Error | undefined;
      const lost = (error: Error) => {
        broken = error; // between two statements nobody else hears of it, and an 'error' nobody hears ends the process
      };
      client.on('error', lost);
      try {
        await client.query('begin');
        const result = await work({ query: (statement, parameters = []) => run(client, statement, parameters) });
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback').catch((cause) => {
          broken = cause;
        });
        throw error;
      } finally {
        client.off('error', lost);
        client.release(broken);
      }
    });
  }

  private assertNoCrowd(): void {
    if (this.pool.waitingCount >= MOST_WAITING) throw new DatabaseAway(`${MOST_WAITING} statements wait for a connection already`);
  }

  /**
   * Runs `work` while no other process of the deployment runs one of this name; does nothing if one does. The lock is the
   * connection's, not a transaction's, so it holds back neither vacuum nor the readers of events, and it is lost with the connection:
   * what must be done by one alone is done through the runner, which fails then.
   */
  async exclusively(name: string, work: (runner: Runner) => Promise<void>): Promise<void> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    const lost = (error: Error) => {
      broken = error;
    };
    client.on('error', lost);
    let locked = false;
    try {
      const { rows } = await client.query(TRY_LOCK, [name]);
      locked = rows[0].locked;
      if (locked) await client.query(NOTICE_DEATH);
      if (locked) await work({ query: (statement, parameters = []) => run(client, statement, parameters) });
    } finally {
      if (locked) await client.query('select pg_advisory_unlock_all()').catch(() => undefined); // who waits need not wait for its end
      client.off('error', lost);
      client.release(broken ?? locked); // true ends the connection, and with it its settings
    }
  }
}

const TRY_LOCK = 'select pg_try_advisory_lock(hashtextextended($1, 0)) as locked';
/** The lock of a machine that is gone without a word is free after 25 s, not after the two hours of a default kernel. */
const NOTICE_DEATH = `select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
  set_config('tcp_keepalives_count', '3', false)`;

async function run<Row>(on: Pool | PoolClient, { name, text }: Statement<Row>, values: readonly unknown[]): Promise<Row[]> {
  const result = await on.query({ name, text, values: values as unknown[] });
  return result.rows;
}

async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const { code } = error as { code?: string };
      if ((code !== SERIALIZATION_FAILURE && code !== DEADLOCK) || tries === TRIES) throw marked(error);
      await new Promise((done) => setTimeout(done, Math.random() * 20 * tries));
    }
  }
}

/** Told apart here, where it was the database that was asked: a connection that a bucket or a broker refused has the same code. */
function marked(error: unknown): unknown {
  if (error instanceof DatabaseAway || !isDatabaseAway(error)) return error;
  return new DatabaseAway((error as Error).message, { cause: error });
}

/** Whether Postgres refused because a row with this key is already there. */
export function isUniqueViolation(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === '23505';
}

/** Whether Postgres gave up waiting for a lock, as it was told to (`lock_timeout`). */
export function isLockTimeout(error: unknown): boolean {
  const cause = error instanceof DatabaseAway ? error.cause : error;
  return (cause as { code?: string } | null)?.code === '55P03';
}

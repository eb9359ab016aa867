import pg from 'pg';
import { SHARED, session } from './session.js';
import { Sql } from './sql.js';

/** More than a few only makes statements smaller: two cores of Postgres are busy with eight connections. */
const LARGEST_POOL = 6;
const SMALLEST_POOL = 2;
const ALL_POOLS = 18;

/** Seconds. A plan made while a table was empty is good for nothing else, and kept until the table is analysed again, or so long. */
const MOST_AGE = 60;

/** How many connections for shared statements each of so many processes may open. */
export function hotPoolSize(processes: number): number {
  return Math.max(SMALLEST_POOL, Math.min(LARGEST_POOL, Math.floor(ALL_POOLS / processes)));
}

/**
 * Generic plans: to plan a claim anew takes as long as to run it, and its statements are shaped so that one plan is right for every
 * call. No sequential scans: such a plan is kept from when a table was small, and must be right when there are a million rows. No
 * waiting: most skip what is locked, but who creates a group that somebody's large batch is creating would wait a second for its end.
 */
const SETTINGS = `select set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
  set_config('jit', 'off', false), set_config('lock_timeout', '50', false)`;

/**
 * The door to raw SQL for statements that take no more than milliseconds, and wait for nobody's locks (50 ms, then they fail): over
 * connections of their own, so that no slow reader or large batch ever keeps a claim waiting.
 */
export class HotSql extends Sql {
  static on(url: string, connections: number = LARGEST_POOL): HotSql {
    const onConnect = (client: pg.ClientBase) => client.query(SETTINGS) as unknown as undefined; // it is waited for
    const pool = new pg.Pool({ ...session(SHARED), connectionString: url, max: connections, maxLifetimeSeconds: MOST_AGE, onConnect });
    pool.on('error', () => undefined); // an idle connection that is cut says so here; the pool makes another one
    return new HotSql(pool);
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}

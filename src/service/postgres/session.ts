/** In milliseconds. */
export interface Timeouts {
  statement_timeout: number;
  lock_timeout?: number;
}

export const SERVING: Timeouts = { statement_timeout: 30_000 };

/** Of statements that many share: each of them takes milliseconds, and on a connection that hangs all of a process would wait for it. */
export const SHARED: Timeouts = { statement_timeout: 3_000 };

/**
 * An index on millions of rows takes minutes. But while a migration waits for a lock, everybody else waits behind it: better that it
 * fails, and is tried again at the next start.
 */
export const MIGRATING: Timeouts = { statement_timeout: 600_000, lock_timeout: 30_000 };

/** What all connections of a pool begin with. */
export function session(timeouts: Timeouts) {
  return {
    application_name: 'leasehold',
    connectionTimeoutMillis: 10_000,
    ...timeouts,
    // a connection that was lost without a word answers nothing, not even the statement's time-out
    query_timeout: timeouts.statement_timeout + Math.min(5_000, timeouts.statement_timeout / 3),
    keepAlive: true,
    // a forgotten open transaction holds back vacuum, and a queue table without vacuum slows down tenfold
    idle_in_transaction_session_timeout: 10_000,
  };
}

/** What all connections of a pool begin with. */
export const SESSION = {
  application_name: 'leasehold',
  connectionTimeoutMillis: 10_000,
  statement_timeout: 30_000,
  // a connection that was lost without a word answers nothing, not even the statement's time-out
  query_timeout: 35_000,
  keepAlive: true,
  // a forgotten open transaction holds back vacuum, and a queue table without vacuum slows down tenfold
  idle_in_transaction_session_timeout: 10_000,
};

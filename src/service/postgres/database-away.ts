import { isNativeError } from 'node:util/types';

/** The database cannot be asked now: it is away, or everybody asks at once. Nothing is wrong with the question; ask again. */
export class DatabaseAway extends Error {}

/**
 * Connections refused or lost (class 08), no more of them, memory or disk (53), Postgres starting, stopping or recovering (57P),
 * a statement, a lock or a transaction that took too long (57014, 55P03, 25P03), a database that only answers reads now (25006).
 */
const SQL_STATES = /^(08...|53...|57P..|57014|55P03|25P03|25006)$/;
const SYSTEM_ERRORS = /^E(CONNREFUSED|CONNRESET|CONNABORTED|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH|ADDRNOTAVAIL|NOENT)$/;
const OF_SOCKETS = new Set(['connect', 'read', 'write', 'getaddrinfo']); // files have such errors, too
/** pg says these without a code. */
const MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client (has encountered a connection error|was closed) and is not queryable)/;

/** Whether a statement failed for want of a database to ask, and not by what was asked. Only for what a database has thrown. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof DatabaseAway) return true;
  if (!isNativeError(error)) return false;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined) return MESSAGES.test(error.message);
  return SQL_STATES.test(code) || (SYSTEM_ERRORS.test(code) && (OF_SOCKETS.has(syscall ?? '') || error instanceof AggregateError));
}

import { destination, type Logger as Pino, pino } from 'pino';

/** What of an error is logged. Not its other fields: Postgres puts values into `detail`, Node the raw request into `rawPacket`. */
interface LoggedError {
  type: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: LoggedError;
}

/** The service's log: one JSON line an entry, on standard error. */
export abstract class Logger {
  abstract info(entry: object, message?: string): void;
  abstract warn(entry: object, message?: string): void;
  abstract error(entry: object, message?: string): void;
}

/** Lines wait for one another this long at most, in ms, and for so many bytes: a write for each took 4 % of a busy process's CPU. */
const FLUSH_MS = 50;
const FLUSH_BYTES = 8 * 1024;

/** Bytes that wait for a reader of standard error who has stopped. Lines beyond that are counted, not kept: they would fill the memory. */
const MOST_WAITING = 8 * 1024 * 1024;

/** `pid`: of the process, in each line; where several processes write one log. */
export function createLogger(level: string, pid?: number): Pino {
  // it writes what still waits when the process ends, be it by an error
  const lines = destination({ dest: 2, sync: false, minLength: FLUSH_BYTES, periodicFlush: FLUSH_MS, maxLength: MOST_WAITING });
  const logger = pino(
    {
      level,
      base: pid === undefined ? null : { pid },
      timestamp,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: Error) => logged(error) },
    },
    lines,
  );
  tellOfDrops(lines, logger);
  return logger;
}

/** Who reads again learns how many lines are missing, after those that waited. */
function tellOfDrops(lines: ReturnType<typeof destination>, logger: Pino): void {
  let dropped = 0;
  lines.on('drop', () => dropped++);
  lines.on('drain', () => {
    if (dropped === 0) return;
    const lost = dropped;
    dropped = 0;
    logger.warn({ lost }, 'lines of the log were lost: nobody read them');
  });
}

let second = -1;
let upToSecond = '';

/** As JSON, in ISO 8601. Made anew once a second, but for the milliseconds: toISOString took 1 µs of each line. */
function timestamp(): string {
  const now = Date.now();
  const ms = now % 1000;
  if (now - ms !== second) {
    second = now - ms;
    upToSecond = `,"time":"${new Date(second).toISOString().slice(0, -'000Z'.length)}`;
  }
  return `${upToSecond}${String(ms).padStart(3, '0')}Z"`;
}

function logged(error: Error, depth = 0): LoggedError {
  const { code, stack, cause } = error as Error & { code?: unknown };
  return {
    type: error.constructor?.name ?? 'Error',
    message: String(error.message),
    ...(typeof code === 'string' && { code }),
    ...(stack && { stack }),
    ...(cause instanceof Error && depth < 3 && { cause: logged(cause, depth + 1) }),
  };
}

import { destination, type Logger as Pino, pino } from 'pino';

/** The service's log: one JSON line an entry, on standard error. */
export abstract class Logger {
  abstract info(entry: object, message?: string): void;
  abstract warn(entry: object, message?: string): void;
  abstract error(entry: object, message?: string): void;
}

export function createLogger(level: string): Pino {
  return pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label) => ({ level: label }) } },
    destination(2),
  );
}

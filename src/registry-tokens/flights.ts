import { setMaxListeners } from 'node:events';

interface Flight<T> {
  result: Promise<T>;
  /** How many wait for it. */
  waiting: number;
  abort: AbortController;
}

/**
 * What several want at once is done once for them, and belongs to none of them: it goes on as long as one still waits. How it ends is told
 * to those that wait by then and is forgotten; who comes later begins anew.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();
  #over?: Error;

  /** Rejects with the signal's reason, or as `begin` does, which is asked only where nothing is under way. */
  async join(key: string, begin: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#over) throw this.#over;
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#begin(key, begin);
    flight.waiting++;
    try {
      return await unlessAborted(flight.result, [flight.abort.signal, signal]);
    } finally {
      if (--flight.waiting === 0) this.#end(key, flight);
    }
  }

  /** Breaks off all that is under way, and begins nothing any more. */
  abortAll(reason: Error): void {
    this.#over = reason;
    for (const flight of this.#flights.values()) flight.abort.abort(reason);
    this.#flights.clear();
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const abort = new AbortController();
    setMaxListeners(0, abort.signal); // as many as wait
    const flight: Flight<T> = { abort, waiting: 0, result: begin(abort.signal).finally(() => this.#forget(key, flight)) };
    flight.result.catch(() => undefined); // nobody may be waiting any more
    this.#flights.set(key, flight);
    return flight;
  }

  #end(key: string, flight: Flight<T>): void {
    this.#forget(key, flight);
    flight.abort.abort();
  }

  #forget(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

function unlessAborted<T>(result: Promise<T>, signals: readonly (AbortSignal | undefined)[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (event: Event) => reject((event.target as AbortSignal).reason);
    for (const signal of signals) signal?.addEventListener('abort', abort, { once: true });
    const stay = () => {
      for (const signal of signals) signal?.removeEventListener('abort', abort);
    };
    result.then(resolve, reject).finally(stay);
  });
}

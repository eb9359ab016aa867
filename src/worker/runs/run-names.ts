import type { Definition } from '../../signatures/task-payload.js';

/** The names of what the worker itself leaves of a run. */
export interface RunNames {
  /** While the run goes on a reference to where it can be read, then a link to the next. */
  live: string;
  log: string;
  record: string;
  receipt: string;
}

/** What is private of a run is so also where its payload is malformed, and nobody knows what else it wants. */
export function runNames({ payload }: Definition): RunNames {
  const { features } = (payload ?? {}) as { features?: { private?: unknown } | null };
  const under = features?.private === true ? 'private' : 'public';
  return {
    live: `${under}/logs/live.log`,
    log: `${under}/logs/live_backing.log`,
    record: `${under}/run.json`,
    receipt: `${under}/receipt.json`,
  };
}

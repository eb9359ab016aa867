import { parseArgs } from 'node:util';

export interface Options {
  quick: boolean;
  json: boolean;
  /** Names of scenarios; empty: those of the default run. */
  scenarios: string[];
  concurrencies: number[];
  batches: number[];
  /** A process of the service is kept busy at most so long before it is measured. */
  warmUpSeconds: number;
  /** A row is the median of so many rounds … */
  rounds: number;
  /** … of so many seconds of load. */
  roundSeconds: number;
  /** … of so many where a target is decided by them: at 8 and 32 at once, batch 1, a second is one hiccup of the machine or none. */
  longRoundSeconds: number;
  /** A snapshot is held open so long; measured is as long before and after. */
  snapshotSeconds: number;
  soakSeconds: number;
  /** Pending tasks of a queue. */
  pending: number[];
  wakeUps: number;
  idleSeconds: number;
}

export function readOptions(): Options {
  const { values, positionals } = parseArgs({
    options: { quick: { type: 'boolean' }, json: { type: 'boolean' } },
    allowPositionals: true,
  });
  const quick = values.quick ?? process.env.BENCH_QUICK === '1';
  return {
    quick,
    json: values.json ?? false,
    scenarios: positionals,
    concurrencies: quick ? [8, 32] : [1, 8, 32],
    batches: quick ? [1] : [1, 8],
    warmUpSeconds: quick ? 5 : 20,
    rounds: quick ? 1 : 3,
    roundSeconds: quick ? 1 : 1.2,
    longRoundSeconds: quick ? 1 : 4,
    snapshotSeconds: quick ? 5 : 60,
    soakSeconds: Number(process.env.BENCH_SOAK ?? 600),
    pending: quick ? [1_000, 20_000] : [1_000, 100_000, 1_000_000],
    wakeUps: quick ? 40 : 300,
    idleSeconds: quick ? 3 : 25,
  };
}

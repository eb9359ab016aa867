import { type Row, rounded } from './row.js';

/** What must be seen, and what was. */
export interface Verdict extends Record<string, string | number> {
  target: string;
  bound: string;
  seen: string | number;
  met: 'yes' | 'no' | 'not measured';
}

/** Holds the rows of a run against what the project promises itself (docs/performance.md). */
export function verdicts(rows: readonly Row[]): Verdict[] {
  const value = (scenario: string, column: string, where: Partial<Row>) => {
    const row = rows.find((row) => row.scenario === scenario && Object.entries(where).every(([name, wanted]) => row[name] === wanted));
    return row && typeof row[column] === 'number' ? row[column] : undefined;
  };
  const cycles = (concurrency: number) => value('cycles', '× floor', { what: 'service', concurrency, batch: 1 });
  const wakeUp = (what: string, column: string) => value('wake-up', column, { what: `created ${what}` });
  const idle = (column: string) => value('idle-polls', column, { what: '1000 polls' });
  return [
    atLeast('cycles, 32 at once, batch 1: × floor', cycles(32), 1),
    atLeast('cycles, 8 at once, batch 1: × floor', cycles(8), 0.5),
    atLeast('1,000,000 pending: × 1,000 pending', value('pending', '× least', { what: '1,000,000 pending' }), 0.85),
    atLeast('snapshot held, last quarter: × without', value('snapshot', '× without', { what: 'held, last quarter' }), 0.5),
    atMost('snapshot let go: seconds until ≥ 0.9 × without', recovery(rows), 60),
    atMost('wake-up p50, ms', wakeUp('where the claim waits', 'p50 ms'), 10),
    atMost('wake-up p99, ms', wakeUp('where the claim waits', 'p99 ms'), 60),
    atMost('wake-up by another replica p50, ms', wakeUp('at another replica', 'p50 ms'), 10),
    atMost('wake-up by another replica p99, ms', wakeUp('at another replica', 'p99 ms'), 60),
    below('1000 idle polls, % of a core', idle('service, % of a core'), 5),
    below('1000 idle polls, statements/s', idle('statements/s'), 10),
    atMost('RSS of a service process during all of it, MB', mostMemory(rows), 300),
    atMost(
      'a step in a sandbox: p50 ms added to a plain process',
      value('steps', 'added p50 ms', { what: 'start to end: bubblewrap' }),
      12,
    ),
    atMost('copies through the proxy beyond their round trips, or failed', registry(rows, 'beyond bounds'), 0),
    atMost('credentials that the proxy sent into a trap', registry(rows, 'leaks'), 0),
    atMost('most RSS of the last three minutes of a soak: × the first three', soaked(rows), 1.1),
  ];
}

function atLeast(target: string, seen: number | undefined, bound: number): Verdict {
  return verdict(target, `≥ ${bound}`, seen, seen !== undefined && seen >= bound);
}

function atMost(target: string, seen: number | undefined, bound: number): Verdict {
  return verdict(target, `≤ ${bound}`, seen, seen !== undefined && seen <= bound);
}

function below(target: string, seen: number | undefined, bound: number): Verdict {
  return verdict(target, `< ${bound}`, seen, seen !== undefined && seen < bound);
}

function verdict(target: string, bound: string, seen: number | undefined, met: boolean): Verdict {
  if (seen === undefined) return { target, bound, seen: '', met: 'not measured' };
  return { target, bound, seen: Number.isFinite(seen) ? rounded(seen) : 'never', met: met ? 'yes' : 'no' };
}

function mostMemory(rows: readonly Row[]): number | undefined {
  const known = rows.flatMap((row) => (row.scenario === 'memory' ? Number(row['most RSS of a service process, MB']) || [] : []));
  return known.length === 0 ? undefined : Math.max(...known);
}

/** Of all copies of which something is promised. */
function registry(rows: readonly Row[], column: 'beyond bounds' | 'leaks'): number | undefined {
  const promised = rows.filter((row) => row.scenario === 'registry' && row['beyond bounds'] !== undefined);
  return promised.length === 0 ? undefined : promised.reduce((sum, row) => sum + Number(row[column]), 0);
}

/** The end of the first window that is as fast as before. */
function recovery(rows: readonly Row[]): number | undefined {
  const after = rows.filter(({ scenario, what }) => scenario === 'snapshot' && what === 'after');
  if (after.length === 0) return undefined;
  const recovered = after.find((row) => Number(row['× without']) >= 0.9);
  return recovered ? Number(recovered.to) - Number(after[0]!.from) : Number.POSITIVE_INFINITY;
}

/**
 * The first look is at a process that has only just warmed up, and does not count. A single look is before or after a collection of
 * garbage: what counts is the most of three.
 */
function soaked(rows: readonly Row[]): number | undefined {
  const minutes = rows.filter(({ scenario, what }) => scenario === 'soak' && what.startsWith('minute')).slice(1);
  const most = (of: readonly Row[]) => Math.max(...of.map((row) => Number(row['RSS, MB'])));
  return minutes.length < 6 ? undefined : most(minutes.slice(-3)) / most(minutes.slice(0, 3));
}

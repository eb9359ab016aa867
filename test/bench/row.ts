import type { Result } from './job.js';
import type { Percentiles } from './latencies.js';

/** One row of the report. Columns that a scenario does not have are absent. */
export interface Row {
  scenario: string;
  what: string;
  [column: string]: string | number | Percentiles | undefined;
}

/** CPU seconds while it was measured; absent where they cannot be told. */
export interface CpuSplit {
  postgres?: number;
  service?: number;
  load: number;
}

export interface Round extends Result {
  cpu: CpuSplit;
}

export const perSecond = ({ done, seconds }: Result): number => done / seconds;

/** By their rate: the round in the middle, so that what else the machine did in one of them does not show. */
export function median(rounds: readonly Round[]): Round {
  const sorted = rounds.toSorted((a, b) => perSecond(a) - perSecond(b));
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

/** How many times as fast: within each round, as both had the same machine then; the median of that. */
export function ratio(rounds: readonly Round[], others: readonly Round[]): number {
  const sorted = rounds.map((round, index) => perSecond(round) / perSecond(others[index]!)).toSorted((a, b) => a - b);
  return rounded(sorted[Math.floor((sorted.length - 1) / 2)]!);
}

/** Several short rounds as one; of the calls, the latencies of the first. */
export function joined(rounds: readonly Round[]): Round {
  const sum = (of: (round: Round) => number | undefined) => rounds.reduce((all, round) => all + (of(round) ?? Number.NaN), 0);
  const known = (name: 'postgres' | 'service') => {
    const seconds = sum(({ cpu }) => cpu[name]);
    return Number.isNaN(seconds) ? {} : { [name]: seconds };
  };
  const cpu = { ...known('postgres'), ...known('service'), load: sum((round) => round.cpu.load) };
  return { ...rounds[0]!, done: sum(({ done }) => done), seconds: sum(({ seconds }) => seconds), cpu };
}

export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** Microseconds of CPU for each thing done. */
export function cpuColumns({ done, cpu }: Round): Record<string, number | undefined> {
  const each = (seconds: number | undefined) => (seconds === undefined || done === 0 ? undefined : Math.round((seconds / done) * 1e6));
  return { 'postgres µs': each(cpu.postgres), 'service µs': each(cpu.service), 'load µs': each(cpu.load) };
}

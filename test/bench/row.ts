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

export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** Microseconds of CPU for each thing done. */
export function cpuColumns({ done, cpu }: Round): Record<string, number | undefined> {
  const each = (seconds: number | undefined) => (seconds === undefined || done === 0 ? undefined : Math.round((seconds / done) * 1e6));
  return { 'postgres µs': each(cpu.postgres), 'service µs': each(cpu.service), 'load µs': each(cpu.load) };
}

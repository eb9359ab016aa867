import type { Row } from './row.js';

/** A table in Markdown for each scenario, with the columns that it has; it reads as well in a terminal. */
export function tables(rows: readonly Row[]): string {
  const scenarios = [...new Set(rows.map(({ scenario }) => scenario))];
  return scenarios.map((name) => `### ${name}\n\n${table(rows.filter(({ scenario }) => scenario === name))}`).join('\n\n');
}

export function table(rows: readonly Record<string, unknown>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter(
    (column) => column !== 'scenario' && rows.some((row) => row[column] !== undefined),
  );
  const lines = [columns.map(header), ...rows.map((row) => columns.map((column) => cell(row[column])))];
  const widths = columns.map((_, index) => Math.max(3, ...lines.map((line) => line[index]!.length)));
  const [head, ...body] = lines.map((line) => `| ${line.map((text, index) => text.padEnd(widths[index]!)).join(' | ')} |`);
  return [head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body].join('\n');
}

function header(column: string): string {
  return ['create', 'claim', 'reclaim', 'complete'].includes(column) ? `${column}, p50 / p99 ms` : column;
}

function cell(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'object' && value !== null && 'p50' in value && 'p99' in value) return `${value.p50} / ${value.p99}`;
  return String(value);
}

import { type Runner, type Statement, statement } from '../../src/service/postgres/sql.js';

/** A node of a plan as `explain (analyze, format json)` tells it. */
export interface PlanNode {
  'Node Type': string;
  'Subplan Name'?: string;
  'Join Type'?: string;
  Operation?: string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'CTE Name'?: string;
  Alias?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Join Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: PlanNode[];
}

/** Runs `work` in a transaction of which nothing stays. */
export async function undone<T>(runner: Runner, work: () => Promise<T>): Promise<T> {
  await runner.query(statement('', 'begin'));
  try {
    return await work();
  } finally {
    await runner.query(statement('', 'rollback'));
  }
}

/** An execution: its plan, and how many pages of 8 KiB of tables and indexes of ours it asked for, in memory or not. */
export interface Explained {
  plan: PlanNode;
  buffers: number;
}

/**
 * By the plan that the runner's connection has for the next execution of a statement that it has executed before. The pages are not
 * those of the plan: its first node knows nothing of the changes that Postgres makes after the last row was answered.
 */
export async function explained(runner: Runner, { name }: Statement<unknown>, parameters: readonly unknown[]): Promise<Explained> {
  const given = parameters.length > 0 ? `(${parameters.map(literal)})` : '';
  const explain = statement<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>('', `explain (analyze, format json) execute "${name}"${given}`);
  return undone(runner, async () => {
    const [before] = await runner.query(FETCHED);
    const [row] = await runner.query(explain);
    const [after] = await runner.query(FETCHED);
    return { plan: row!['QUERY PLAN'][0].Plan, buffers: after!.pages - before!.pages };
  });
}

/** Up to 16 384 are Postgres's own. */
const FETCHED = statement<{ pages: number }>(
  'test-fetched',
  'select sum(pg_stat_get_xact_blocks_fetched(oid))::integer as pages from pg_class where oid >= 16384',
);

/** A parameter as pg sends it. */
function literal(value: unknown): string {
  if (value === null) return 'null';
  return `'${text(value).replaceAll("'", "''")}'`;
}

function text(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map((one) => (one === null ? 'null' : JSON.stringify(text(one))))}}`;
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  return value instanceof Date ? value.toISOString() : String(value);
}

export function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...childrenOf(node).flatMap(nodesOf)];
}

/** But for what reads only what Postgres tells of itself: that depends on what else the server does, not on our tables. */
function childrenOf({ Plans = [] }: PlanNode): PlanNode[] {
  return Plans.filter((child) => !(child['Subplan Name']?.startsWith('InitPlan') && readsCatalog(child)));
}

function readsCatalog({ 'Relation Name': relation, Plans = [] }: PlanNode): boolean {
  return relation?.startsWith('pg_') || Plans.some(readsCatalog);
}

/** How many rows a node looked at, be it to pass them over. Postgres tells averages of its loops. */
export function rowsSeen(node: PlanNode): number {
  const passedOver = ['Rows Removed by Filter', 'Rows Removed by Join Filter', 'Rows Removed by Index Recheck'] as const;
  return Math.round(node['Actual Loops'] * passedOver.reduce((sum, key) => sum + (node[key] ?? 0), node['Actual Rows']));
}

const CONDITIONS = ['Index Cond', 'Recheck Cond', 'TID Cond', 'Hash Cond', 'Merge Cond', 'Sort Key', 'Group Key'] as const;

/** What a plan is, without what it costs and how much it found: a line for each node, and one for what each looks up or sorts by. */
export function shapeOf(node: PlanNode, indent = ''): string {
  const name = [
    node['Subplan Name'] && `${node['Subplan Name']}:`,
    node.Operation ?? node['Node Type'],
    node['Join Type'] && `(${node['Join Type']})`,
    named('on', node['Relation Name'] ?? node['CTE Name'] ?? (node['Node Type'] === 'Function Scan' ? node.Alias : undefined)),
    named('by', node['Index Name']),
  ];
  const conditions = CONDITIONS.filter((key) => key in node).map((key) => `${indent}  · ${key}: ${node[key as keyof PlanNode]}\n`);
  const children = childrenOf(node).map((child) => shapeOf(child, `${indent}  `));
  return `${indent}${name.filter(Boolean).join(' ')}\n${conditions.join('')}${children.join('')}`;
}

function named(word: string, name: string | undefined): string | undefined {
  return name && `${word} ${name}`;
}

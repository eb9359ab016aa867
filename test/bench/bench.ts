import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type Options, readOptions } from './options.js';
import { table, tables } from './report.js';
import type { Row } from './row.js';
import { batches } from './scenarios/batches.js';
import { creates } from './scenarios/creates.js';
import { cycles } from './scenarios/cycles.js';
import { idlePolls } from './scenarios/idle-polls.js';
import { pending } from './scenarios/pending.js';
import { profile } from './scenarios/profile.js';
import { registry } from './scenarios/registry.js';
import { replicas } from './scenarios/replicas.js';
import type { Scenario } from './scenarios/scenario.js';
import { signatures } from './scenarios/signatures.js';
import { signedCreates } from './scenarios/signed-creates.js';
import { snapshot } from './scenarios/snapshot.js';
import { soak } from './scenarios/soak.js';
import { steps } from './scenarios/steps.js';
import { wakeUp } from './scenarios/wake-up.js';
import type { Durability } from './server.js';
import { Stage } from './stage.js';
import { type Verdict, verdicts } from './targets.js';

/*
 * `npm run bench [-- --quick] [-- --json] [-- scenario …]`: measures the service as users run it, against the floor of what the same
 * Postgres gives in the same run. Prints tables in Markdown and writes bench.json. How to read it: docs/performance.md.
 */

const SCENARIOS = [creates, cycles, batches, wakeUp, idlePolls, pending, snapshot, replicas];
const QUICK = [creates, cycles, wakeUp, idlePolls, pending, snapshot];
const ON_REQUEST = [soak, profile, signatures, signedCreates, steps, registry];

interface Machine extends Durability {
  cores: number;
  node: string;
  postgres: string;
  quick: boolean;
}

async function main(): Promise<void> {
  const options = readOptions();
  const scenarios = chosen(options);
  const stage = await Stage.open(options);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stage.close().finally(() => process.exit(130)));
  try {
    const { rows, problems } = await measured(stage, scenarios);
    if (stage.closed) return; // interrupted: half a run is none
    report(stage, rows);
    for (const problem of problems) console.error(problem);
    process.exitCode = problems.length > 0 ? 1 : 0;
  } finally {
    await stage.close();
  }
}

function chosen({ scenarios, quick }: Options): Scenario[] {
  const all = [...SCENARIOS, ...ON_REQUEST];
  const unknown = scenarios.filter((name) => !all.some((scenario) => scenario.name === name));
  if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`);
  return scenarios.length === 0 ? (quick ? QUICK : SCENARIOS) : all.filter(({ name }) => scenarios.includes(name));
}

/** A scenario that fails does not keep the others from being measured. */
async function measured(stage: Stage, scenarios: readonly Scenario[]): Promise<{ rows: Row[]; problems: string[] }> {
  const rows: Row[] = [];
  const problems: string[] = [];
  for (const [index, scenario] of scenarios.entries()) {
    if (stage.closed) break;
    const began = performance.now();
    const progress = (step: string) => tell(`[${index + 1}/${scenarios.length}] ${scenario.name}: ${step}`);
    try {
      rows.push(...(await scenario.run(stage, progress)));
      rows.push({ scenario: 'memory', what: scenario.name, 'most RSS of a service process, MB': stage.takeMostMemory() });
      progress(`done in ${Math.round((performance.now() - began) / 1000)} s`);
    } catch (error) {
      problems.push(`${scenario.name} could not be measured: ${(error as Error).stack}`);
    }
  }
  return { rows: rows.toSorted((a, b) => Number(a.scenario === 'memory') - Number(b.scenario === 'memory')), problems };
}

function report(stage: Stage, rows: readonly Row[]): void {
  const { options, server } = stage;
  const machine: Machine = {
    cores: cpus().length,
    node: process.version,
    postgres: server.version,
    ...server.durability,
    quick: options.quick,
  };
  const targets = verdicts(rows);
  const json = JSON.stringify({ at: new Date().toISOString(), machine, rows, targets }, null, 2);
  writeFileSync('bench.json', `${json}\n`);
  console.log(options.json ? json : readable(machine, rows, targets));
}

function readable(machine: Machine, rows: readonly Row[], targets: readonly Verdict[]): string {
  const { cores, node, postgres, fsync, synchronousCommit, quick } = machine;
  const durability = `fsync ${fsync}, synchronous_commit ${synchronousCommit}`;
  const heading = `${cores} cores, Node ${node}, Postgres ${postgres}, ${durability}${quick ? ', --quick: too short to be quoted' : ''}`;
  return [`\n${heading}`, tables(rows), '### targets', table(targets)].join('\n\n');
}

function tell(line: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

await main();

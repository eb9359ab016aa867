import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { IsolationName } from '../../../src/worker/sandbox/isolation.js';
import { inOwnNamespaces } from '../../../src/worker/sandbox/supervisor-command.js';
import { jobOf, SANDBOX, Supervised, step } from '../../support/supervised.js';
import { compiled, hasSandboxes, privateDirectory, unprivileged } from '../../support/unprivileged.js';
import { type Row, rounded } from '../row.js';
import type { Spawned, Spawning } from '../step-spawner.js';
import type { Scenario } from './scenario.js';

const WARM_UP = 10;
const TASKS = 7;
const STEPS = 20;
/**
 * What a step costs that does nothing: in a sandbox against a plain process, started in turns by one program; and whole steps, by the supervisor,
 * as what each of twenty more adds to a task.
 */
export const steps: Scenario = {
  name: 'steps',
  async run({ options }, progress) {
    if (!hasSandboxes) throw new Error('there are no sandboxes to measure: apt-get install bubblewrap busybox-static');
    const count = options.quick ? 60 : 300;
    progress(`${count} of each kind, in turns`);
    const rows = [...(await startRows(count))];
    progress(`${TASKS} tasks of 1 and of ${STEPS + 1} steps, of each kind`);
    return [...rows, ...(await taskRows())];
  },
};

async function startRows(count: number): Promise<Row[]> {
  const directory = privateDirectory('bench-steps');
  try {
    const times = await spawned({ directory, count: count + WARM_UP, settings: SANDBOX });
    const plain = percentile(times.plain, 0.5);
    return Object.entries(times).map(([what, all]) => ({
      scenario: 'steps',
      what: `start to end: ${what}`,
      'p50 ms': rounded(percentile(all, 0.5)),
      'p95 ms': rounded(percentile(all, 0.95)),
      'added p50 ms': rounded(percentile(all, 0.5) - plain),
    }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function spawned(wanted: Spawning): Promise<Spawned> {
  const [program, ...words] = inOwnNamespaces([process.execPath, compiled('test/bench/step-spawner.js')]);
  const child = spawn(program, words, { ...unprivileged, stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
  child.stdin!.end(JSON.stringify(wanted));
  const all = JSON.parse(await text(child.stdout!)) as Spawned;
  return Object.fromEntries(Object.entries(all).map(([kind, times]) => [kind, times.slice(WARM_UP)])) as unknown as Spawned;
}

async function taskRows(): Promise<Row[]> {
  const took: Record<IsolationName, Record<'one' | 'many', number[]>> = { bubblewrap: { one: [], many: [] }, none: { one: [], many: [] } };
  for (let nth = 0; nth < TASKS; nth++)
    for (const isolation of ['none', 'bubblewrap'] as const) {
      took[isolation].one.push(await taskOf(1, isolation));
      took[isolation].many.push(await taskOf(STEPS + 1, isolation));
    }
  return Object.entries(took).map(([isolation, { one, many }]) => ({
    scenario: 'steps',
    what: `task: ${isolation}`,
    'one step p50 ms': rounded(percentile(one, 0.5)),
    'each more p50 ms': rounded((percentile(many, 0.5) - percentile(one, 0.5)) / STEPS),
  }));
}

/** Milliseconds from the start of a worker that runs one task, to its outcome. */
async function taskOf(count: number, isolation: IsolationName): Promise<number> {
  const names = Array.from({ length: count }, (_, nth) => `step-${nth}`);
  const job = jobOf(
    names.map((name) => step(name, undefined, { command: ['/usr/bin/true'] })),
    { isolation },
  );
  try {
    const began = performance.now();
    const { outcome } = await new Supervised(job).outcome;
    if (outcome !== 'succeeded') throw new Error(`a task of ${count} steps has ${outcome}`);
    return performance.now() - began;
  } finally {
    rmSync(job.taskDir, { recursive: true, force: true });
  }
}

function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))]!;
}

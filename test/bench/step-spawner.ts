import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Bubblewrap } from '../../src/worker/sandbox/bubblewrap.js';
import type { Isolation, StepRun } from '../../src/worker/sandbox/isolation.js';
import { Unsandboxed } from '../../src/worker/sandbox/unsandboxed.js';

/*
 * Where a supervisor would be: starts `true` as a plain process, as a step without isolation, and as one in a sandbox, in turns. On standard
 * input it is told `Spawning`; it prints the milliseconds from each start to its end, by kind.
 */

export interface Spawning {
  directory: string;
  count: number;
  settings: StepRun['settings'];
}
export type Spawned = Record<'plain' | 'none' | 'bubblewrap', number[]>;

const TRUE = '/usr/bin/true';
const { directory, count, settings } = JSON.parse(readFileSync(0, 'utf8')) as Spawning;
const at = (name: string) => path.join(directory, name);
for (const name of ['tools', 'downward', 'steps', 'scripts', 'run', 'results', 'workspace']) mkdirSync(at(name));
copyFileSync(settings.busybox, at('tools/busybox'));
const output = openSync('/dev/null', 'a');

const kinds: Record<keyof Spawned, () => Promise<unknown>> = {
  plain: () => once(spawn(TRUE, [], { stdio: ['ignore', output, output], env: {} }), 'exit'),
  none: stepBy(new Unsandboxed(at('creds'))),
  bubblewrap: stepBy(new Bubblewrap(settings)),
};
const times: Spawned = { plain: [], none: [], bubblewrap: [] };
for (let nth = 0; nth < count; nth++)
  for (const [kind, start] of Object.entries(kinds) as [keyof Spawned, () => Promise<unknown>][]) {
    const began = performance.now();
    await start();
    times[kind].push(performance.now() - began);
  }
console.log(JSON.stringify(times));

function stepBy(isolation: Isolation): () => Promise<void> {
  const places = Object.fromEntries(
    ['tools', 'downward', 'steps', 'scripts', 'run', 'results', 'workspace'].map((name) => [name, at(name)]),
  );
  const step = { index: 0, command: [TRUE], env: {}, workspace: 'rw', network: 'none', secretFiles: {}, places, settings, output };
  return async () => {
    const { exitCode, failure } = await isolation.start(step as unknown as StepRun).ended;
    if (exitCode !== 0) throw new Error(`a step ended with ${exitCode}: ${failure}`);
  };
}

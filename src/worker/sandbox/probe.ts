import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { readRootfs } from './bubblewrap/rootfs.js';
import { type SandboxProcess, spawnSandbox } from './bubblewrap/spawn-sandbox.js';
import type { Places, SandboxSettings, StepRun } from './isolation.js';
import { IsolationUnavailable } from './isolation-unavailable.js';
import { sandboxHint } from './probe/hint.js';
import { assertHostUser } from './probe/host-user.js';
import { assertPrograms } from './probe/programs.js';
import { whatMustHold } from './probe/what-must-hold.js';
import { PROGRAMS_PATH } from './programs-path.js';
import { inOwnNamespaces } from './supervisor-command.js';

const MOST_MS = 20_000;

/**
 * Makes a sandbox as those of steps are made, supervisor's namespaces included, and looks whether it isolates. Versions and settings of a
 * host do not tell that. Throws IsolationUnavailable. `within` is a directory of the worker's own, where a step's files can be for that long.
 */
export async function probeIsolation(settings: SandboxSettings, within: string): Promise<void> {
  const uidMap = process.platform === 'linux' ? readFileSync('/proc/self/uid_map', 'utf8') : '';
  assertHostUser({ platform: process.platform, uid: process.getuid?.(), uidMap });
  assertPrograms(settings);
  const directory = mkdtempSync(path.join(within, 'probe-'));
  try {
    await tryIn(directory, settings);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function tryIn(directory: string, settings: SandboxSettings): Promise<void> {
  const places = placesIn(directory);
  copyFileSync(settings.busybox, path.join(places.tools, 'busybox'));
  const report = path.join(directory, 'report');
  const output = openSync(report, 'ax');
  try {
    const problem = await problemOf(probeStep(places, settings, output));
    const breaches = readFileSync(report, 'utf8').trim().split('\n').join(', ');
    if (problem !== undefined) throw broken(`${firstLine(problem || breaches || 'it said nothing')}; ${sandboxHint()}`);
    if (breaches !== '') throw broken(`what runs in it is not isolated: ${breaches}; find out what ${settings.bubblewrap} does`);
  } finally {
    closeSync(output);
  }
}

/** Undefined if the sandbox came up and its program ended well. */
async function problemOf(step: StepRun): Promise<string | undefined> {
  try {
    const sandbox = spawnSandbox(step, readRootfs(step.settings.rootfs), { through: inOwnNamespaces([]) });
    return await outcomeOf(sandbox);
  } catch (error) {
    return (error as Error).message;
  }
}

async function outcomeOf({ process: child, said, started, status }: SandboxProcess): Promise<string | undefined> {
  const timer = setTimeout(() => child.kill('SIGKILL'), MOST_MS);
  status.resume();
  try {
    const [[code, by], told, mark] = await Promise.all([once(child, 'close'), text(said), text(started)]);
    if (code === 0 && mark !== '') return undefined;
    return told.trim() || (by ? `it did not end in ${MOST_MS} ms` : `it ended with ${code}`);
  } finally {
    clearTimeout(timer);
  }
}

function placesIn(directory: string): Places {
  const place = (name: string) => path.join(directory, name);
  const names = ['tools', 'downward', 'steps', 'scripts', 'run', 'results', 'workspace'];
  for (const name of names) mkdirSync(place(name), { mode: 0o700 });
  return Object.fromEntries(names.map((name) => [name, place(name)])) as unknown as Places;
}

function probeStep(places: Places, settings: SandboxSettings, output: number): StepRun {
  const env = { PATH: PROGRAMS_PATH };
  return {
    index: 0,
    command: whatMustHold(),
    env,
    workspace: 'ro',
    network: 'none',
    secretFiles: { probe: 'x' },
    places,
    settings,
    output,
  };
}

const firstLine = (words: string) => words.trim().split('\n')[0]!;
const broken = (why: string) => new IsolationUnavailable('SANDBOX_BROKEN', `No sandbox can be made for steps: ${why}`);

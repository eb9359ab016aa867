import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { Places, SandboxSettings, StepEnd, StepRun } from '../../src/worker/sandbox/isolation.js';
import { inOwnNamespaces } from '../../src/worker/sandbox/supervisor-command.js';
import { compiled, privateDirectory, unprivileged } from './unprivileged.js';

/** A step for the driver, with what it is to do once a word was printed. */
export type WantedStep = Omit<StepRun, 'output'> & { orders?: { when: string; give: 'terminate' | 'kill' }[] };

export interface SandboxEnd extends StepEnd {
  /** Milliseconds. */
  took: number;
  /** Words of processes that were there once the step had ended. */
  survivors: string[];
  output: string;
}

const MB = 1024 * 1024;
const LIMITS = { processes: 64, openFiles: 256, fileSize: 32 * MB, memory: 0, tmp: 4 * MB, home: 2 * MB, shm: MB, creds: MB / 4 };
export const SETTINGS: SandboxSettings = {
  bubblewrap: '/usr/bin/bwrap',
  busybox: '/usr/bin/busybox',
  rootfs: '/',
  readable: [],
  limits: { ...LIMITS, results: MB, result: MB, output: MB },
};

/** A variable of the driver, as a worker has its own. */
export const WORKERS_OWN = 'only-the-worker-knows-this';

/** The directory of a task whose steps a driver runs, as another user than root. */
export class SandboxedTask {
  readonly directory = privateDirectory('sandbox');
  readonly places: Places;

  constructor() {
    const names = ['tools', 'downward', 'steps', 'scripts', 'run', 'results', 'workspace'];
    for (const name of [...names, 'run/0', 'run/0/status']) mkdirSync(this.at(name));
    copyFileSync(SETTINGS.busybox, this.at('tools/busybox'));
    this.places = Object.fromEntries(names.map((name) => [name, this.at(name)])) as unknown as Places;
    this.give();
  }

  at(name: string): string {
    return path.join(this.directory, name);
  }

  /** A step finds it at /tekton/scripts: what is in the words of a process is found by looking for it in the words of processes. */
  script(name: string, content: string): string {
    writeFileSync(this.at(`scripts/${name}`), content);
    chmodSync(this.at(`scripts/${name}`), 0o755);
    this.give();
    return `/tekton/scripts/${name}`;
  }

  /** All that is there is the user's. */
  give(): void {
    if (unprivileged.uid !== undefined) spawnSync('chown', ['-R', `${unprivileged.uid}:${unprivileged.gid}`, this.directory]);
  }

  step(command: readonly string[], more: Partial<WantedStep> = {}): WantedStep {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
    const given = { index: 0, command, env, secretFiles: {}, places: this.places, settings: SETTINGS };
    return { ...given, workspace: 'rw', network: 'none', ...more };
  }

  sh(script: string, more?: Partial<WantedStep>): WantedStep {
    return this.step(['sh', '-c', script], more);
  }

  driver(steps: readonly WantedStep[], inherited: readonly number[] = []): ChildProcess {
    const [program, ...words] = inOwnNamespaces([process.execPath, compiled('test/support/sandbox-driver.js')]);
    const env = { PATH: process.env.PATH, WORKERS_OWN };
    const child = spawn(program, words, { ...unprivileged, env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe', ...inherited] });
    child.stdin!.on('error', () => {}).end(JSON.stringify(steps));
    return child;
  }

  /** How they ended, one after the other. */
  async run(steps: readonly WantedStep[], inherited?: readonly number[]): Promise<SandboxEnd[]> {
    const child = this.driver(steps, inherited);
    const [out, wrong] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')]);
    if (wrong !== '') throw new Error(wrong);
    return out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as SandboxEnd);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Places } from '../sandbox/isolation.js';
import { ControlFiles } from './control-files.js';
import type { Job } from './job.js';
import type { Fifo } from './output/output.js';
import type { StepView } from './step-environment.js';

/** Files that a step may put beside its declared results, before there is no room for more. */
const SPARE_FILES = 64;

const OWNERS = 0o700;

/** The directory of one task, with all that steps are given. Throws where it cannot be made. */
export class TaskDirectory {
  readonly control: ControlFiles;
  readonly #job: Job;
  #resultsOf: number | undefined;

  constructor(job: Job) {
    this.#job = job;
    this.control = new ControlFiles(this.#at('control'), job);
    for (const name of ['home', 'output', 'append', 'results']) mkdirSync(this.#at(name), { mode: 0o700 });
    run('mkfifo', ['-m', '0600', ...[...job.payload.steps.keys()].map((index) => this.fifo(index).path)]);
    if (job.isolation === 'none') return;
    this.#limitResults();
    this.#fixModes();
  }

  /** Where files of secrets are put for steps that share our file system. */
  get creds(): string {
    return path.join(this.control.directory, 'creds');
  }

  /** Of one step's output. */
  fifo(index: number): Fifo {
    const from = (name: string) => this.#at(name, String(index));
    return { path: from('output'), forWriting: from(this.#job.isolation === 'none' ? 'output' : 'append') };
  }

  results(index: number): string {
    return this.#at('results', String(index));
  }

  places(index: number): Places {
    const { tools, downward, steps, scripts, run } = this.control;
    const proxySocket = this.#job.proxy?.socketPath;
    const workspace = this.#at('workspace');
    return { tools, downward, steps, scripts, run, results: this.results(index), workspace, ...(proxySocket && { proxySocket }) };
  }

  /** What a step finds here, if it sees the same paths as we do. */
  view(index: number): StepView {
    const proxySocket = this.#job.proxy?.socketPath;
    const [control, workspace, home] = [this.control.directory, this.#at('workspace'), this.#at('home')];
    return { control, workspace, home, results: this.results(index), ...(proxySocket && { proxySocket }) };
  }

  /** By which a process of this task is known, if it cannot be known by its namespace. */
  get marker(): Record<string, string> {
    return { LEASEHOLD_TASK: this.#job.taskDir };
  }

  /** What a step is to find: a workspace that can be entered, whatever the step before did to it, and an empty directory for its results. */
  begin(index: number): void {
    this.#openWorkspace();
    if (this.#resultsOf !== undefined) this.#removeResults(this.#resultsOf);
    mkdirSync(this.results(index), { recursive: true });
    this.#resultsOf = index;
  }

  #openWorkspace(): void {
    const stats = lstatSync(this.#at('workspace'), { throwIfNoEntry: false });
    if (stats?.isDirectory() && (stats.mode & OWNERS) !== OWNERS) chmodSync(this.#at('workspace'), (stats.mode & 0o777) | OWNERS);
  }

  /** Where it cannot be removed, for it is deeper than a path can be long, all of its file system goes. */
  #removeResults(index: number): void {
    try {
      rmSync(this.results(index), { recursive: true, force: true });
    } catch {
      if (this.#job.isolation === 'none') return; // nobody needs that place again
      run('umount', ['--lazy', this.#at('results')]);
      this.#limitResults();
    }
  }

  /** Results are on a disk of their own, so that they cannot fill that of the worker. One for all steps, since each mount makes sandboxes slower. */
  #limitResults(): void {
    const { payload, sandbox } = this.#job;
    const most = Math.max(...payload.steps.map(({ results }) => results.length)) + SPARE_FILES;
    const options = `size=${sandbox.limits.results},nr_inodes=${most},mode=0700,nodev,nosuid`;
    run('mount', ['-t', 'tmpfs', '-o', options, 'results', this.#at('results')]);
  }

  /**
   * The same FIFOs through a mount that is read-only: they can be written to by it, and none of their modes be changed. A step owns its
   * output, so it could allow itself to read what it has printed, and take it back.
   */
  #fixModes(): void {
    run('mount', ['--bind', this.#at('output'), this.#at('append')]);
    run('mount', ['-o', 'remount,bind,ro', this.#at('append')]);
  }

  #at(...names: string[]): string {
    return path.join(this.#job.taskDir, ...names);
  }
}

function run(program: string, words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, words, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} failed: ${error?.message ?? stderr.trim().split('\n')[0]}`);
}

import { createHash } from 'node:crypto';
import { chmodSync, constants, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Step } from '../payload/payload.js';
import type { Job, StepReason } from './job.js';

const DIRECTORIES = ['tools', 'downward', 'steps', 'scripts', 'run'] as const;
const EXECUTABLE = 0o755;

/** What a script without a first line of its own is run by: it ends with the first command that fails, or variable that is not there. */
const USUAL_SHELL = '#!/bin/sh -eu\n';

export interface StepEnded {
  exitCode: number;
  reason: StepReason;
  /** Contents by name. */
  results: ReadonlyMap<string, Uint8Array>;
}

/**
 * The files that steps find under /tekton, and cannot change. They are there for programs that know Tekton's: nobody waits for them, and what
 * becomes of a step is decided without them.
 */
export class ControlFiles {
  readonly tools: string;
  readonly downward: string;
  readonly steps: string;
  readonly scripts: string;
  readonly run: string;
  readonly #entrypoint: string;
  readonly #digest: string | undefined;

  /** Makes them, in a directory that is not there yet. */
  constructor(
    readonly directory: string,
    job: Job,
  ) {
    mkdirSync(directory, { mode: 0o700 });
    for (const name of DIRECTORIES) mkdirSync(path.join(directory, name));
    const at = (name: (typeof DIRECTORIES)[number]) => path.join(directory, name);
    [this.tools, this.downward, this.steps, this.scripts, this.run] = [at('tools'), at('downward'), at('steps'), at('scripts'), at('run')];
    this.#entrypoint = path.join(this.tools, 'busybox');
    this.#copyEntrypoint(job.sandbox.busybox);
    this.#digest = this.#digestNow();
    writeFileSync(path.join(this.downward, 'task.json'), `${JSON.stringify(aboutTask(job))}\n`);
    for (const [index, step] of job.payload.steps.entries()) this.#prepare(step, index);
  }

  /** Where a step finds its script; the same name is in `scripts`. */
  static scriptName(index: number): string {
    return `script-${index}`;
  }

  /** Whether nobody has changed the program that is the first process of each sandbox. */
  get isEntrypointIntact(): boolean {
    return this.#digestNow() === this.#digest;
  }

  /** A decimal in `exitCode` for every step, whatever its end; and `out` or, where it did not go well, `out.err`. */
  ended(index: number, { exitCode, reason, results }: StepEnded): void {
    const place = path.join(this.run, String(index));
    mkdirSync(path.join(place, 'status', 'results'), { recursive: true });
    writeFileSync(path.join(place, 'status', 'exitCode'), String(exitCode));
    writeFileSync(path.join(place, 'status', 'reason'), reason);
    for (const [name, bytes] of results) writeFileSync(path.join(place, 'status', 'results', name), bytes);
    writeFileSync(path.join(place, reason === 'Completed' ? 'out' : 'out.err'), '');
  }

  /** A link to where the status will be, by name and by number; as in Tekton there is nothing at its end before. */
  #prepare(step: Step, index: number): void {
    mkdirSync(path.join(this.run, String(index)));
    for (const name of [step.name, String(index)]) symlinkSync(`../run/${index}/status`, path.join(this.steps, name));
    if (step.script === undefined) return;
    const file = path.join(this.scripts, ControlFiles.scriptName(index));
    writeFileSync(file, step.script.startsWith('#!') ? step.script : USUAL_SHELL + step.script);
    chmodSync(file, EXECUTABLE);
  }

  /** Nobody needs it where steps are not isolated, and it may not be there. */
  #copyEntrypoint(busybox: string): void {
    if (!existsSync(busybox)) return;
    copyFileSync(busybox, this.#entrypoint, constants.COPYFILE_FICLONE);
    chmodSync(this.#entrypoint, EXECUTABLE);
  }

  #digestNow(): string | undefined {
    if (!existsSync(this.#entrypoint)) return undefined;
    return createHash('sha256').update(readFileSync(this.#entrypoint)).digest('hex');
  }
}

function aboutTask({ env, payload }: Job) {
  return { taskId: env.TASK_ID, runId: env.RUN_ID, steps: payload.steps.map(({ name }) => name) };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Isolation, RunningStep, StepEnd, StepRun } from './isolation.js';

const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNALLED = 128;

/** Milliseconds that we wait for killed processes to go: the kernel may be busy with one of them. */
const LONGEST_WAIT = 1000;
const POLL = 5;

/**
 * No isolation: a step is a process like any other of the worker's user, which can do to the worker and to other tasks whatever that user
 * can. All that is kept is what costs nothing: a process group that is killed, and an environment of its own.
 */
export class Unsandboxed implements Isolation {
  readonly name = 'none';
  /** Where a step finds the files of its secrets. They are on a disk while it runs. */
  readonly #creds: string;

  constructor(creds: string) {
    this.#creds = creds;
  }

  start(step: StepRun): RunningStep {
    const cwd = step.workspace === 'none' ? step.places.results : step.places.workspace;
    if (!existsSync(cwd)) return neverStarted(`${cwd} is gone; a step has removed it`);
    this.#putSecrets(step.secretFiles);
    const startedAt = new Date();
    const child = this.#spawned(step, cwd);
    if (child instanceof Error) return { ended: Promise.resolve(notStarted(child, startedAt)), terminate() {}, kill() {} };
    const signal = (name: NodeJS.Signals) => void signalGroup(child.pid, name);
    const ended = endOf(child, startedAt).finally(() => this.#removeSecrets());
    return { ended, terminate: () => signal('SIGTERM'), kill: () => signal('SIGKILL') };
  }

  /** Of what is wrong with a program Node tells some by an event, and throws the others. */
  #spawned({ command, env, output }: StepRun, cwd: string): ChildProcess | NodeJS.ErrnoException {
    const [program, ...words] = command as [string, ...string[]];
    try {
      return spawn(program, words, { cwd, detached: true, env, stdio: ['ignore', output, output] });
    } catch (error) {
      this.#removeSecrets();
      return error as NodeJS.ErrnoException;
    }
  }

  #putSecrets(files: StepRun['secretFiles']): void {
    this.#removeSecrets(); // an earlier step may have put something there
    mkdirSync(this.#creds, { recursive: true, mode: 0o700 });
    for (const [name, content] of Object.entries(files)) writeFileSync(path.join(this.#creds, name), content, { mode: 0o400 });
  }

  /** A step may have left a directory there that cannot be removed: that says nothing of it, and is put aside. */
  #removeSecrets(): void {
    try {
      rmSync(this.#creds, { recursive: true, force: true });
    } catch (error) {
      console.error(`Files of secrets could not be removed: ${(error as Error).message}`);
      renameSync(this.#creds, `${this.#creds}-${randomUUID()}`);
    }
  }
}

function neverStarted(failure: string): RunningStep {
  return ended({ exitCode: NOT_EXECUTABLE, finishedAt: new Date(), failure });
}

function ended(end: StepEnd): RunningStep {
  return { ended: Promise.resolve(end), terminate() {}, kill() {} };
}

function endOf(child: ChildProcess, startedAt: Date): Promise<StepEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(notStarted(error, startedAt)));
    child.once('exit', (code, signal) => {
      const exitCode = code ?? SIGNALLED + constants.signals[signal!];
      void groupGone(child.pid!).then(() => resolve({ startedAt, finishedAt: new Date(), exitCode }));
    });
  });
}

/** What a shell would say of a program that is not there or is none is the task's doing; that there is no room for a process is not. */
function notStarted({ code = '', message }: NodeJS.ErrnoException, startedAt: Date): StepEnd {
  const finishedAt = new Date();
  if (code === 'ENOENT') return { startedAt, finishedAt, exitCode: NOT_FOUND };
  if (['EACCES', 'ENOEXEC', 'E2BIG', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(code))
    return { startedAt, finishedAt, exitCode: NOT_EXECUTABLE };
  return { finishedAt, exitCode: NOT_EXECUTABLE, failure: `no process could be started: ${message}` };
}

/** Kills what the program has left of its group. Who has left the group is not found. */
async function groupGone(group: number): Promise<void> {
  const until = Date.now() + LONGEST_WAIT;
  while (signalGroup(group, 'SIGKILL') && isAlive(group) && Date.now() < until) await delay(POLL);
}

/** Whether there is such a group. */
function signalGroup(group: number | undefined, signal: NodeJS.Signals): boolean {
  if (group === undefined) return false; // never started: -0 would be our own
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/** The kernel takes the dead for members, too, until somebody reaps them: where PID 1 is no init, nobody does. */
function isAlive(group: number): boolean {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.some((pid) => memberOf(pid) === group);
}

/** The group of a process that lives. */
function memberOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : Number(group);
  } catch {
    return undefined; // it has just ended
  }
}

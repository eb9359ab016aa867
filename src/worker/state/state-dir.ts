import { spawnSync } from 'node:child_process';
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { makePrivate } from './make-private.js';
import { SetupError } from './setup-error.js';
import { readTrusted, trustedPath } from './trusted-path.js';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** Three times what is remembered at most. */
const MOST_BYTES = 64 * 1024 * 1024;

/** What `flock -n` ends with where somebody else has the lock. */
const TAKEN = 1;

/**
 * The directory in which one worker keeps what it must know after a restart. It is made if it is not there, and is that process's alone:
 * two would not know what the other one has begun.
 */
export class StateDir {
  readonly #place: string;
  readonly #handle: number;

  private constructor(place: string, handle: number) {
    this.#place = place;
    this.#handle = handle;
  }

  /** Throws SetupError if others can write there, or another process has it. */
  static open(given: string): StateDir {
    makePrivate(given);
    const place = trustedPath(given);
    const handle = openSync(place, O_RDONLY | O_DIRECTORY);
    try {
      lock(place, handle);
    } catch (error) {
      closeSync(handle);
      throw error;
    }
    return new StateDir(place, handle);
  }

  /** Lets another process have it. */
  close(): void {
    closeSync(this.#handle);
  }

  /** Whether that open file is the one of that name here: what is appended to another one is gone after a restart. */
  holds(name: string, file: number): boolean {
    this.#assertThere();
    return isAt(this.#at(name), file);
  }

  /** For appending, a file that was put there by `replace`. */
  openFile(name: string): number {
    return openSync(this.#at(name), O_WRONLY | O_APPEND | O_NOFOLLOW);
  }

  /** Undefined where there is no such file. Throws SetupError if others can write to it: it may be older than the directory's mode. */
  read(name: string): string | undefined {
    try {
      return readTrusted(this.#at(name), MOST_BYTES).toString();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Puts a text into a file. After a crash there is the old one or the new one; once this returns, the new one. */
  replace(name: string, text: string): void {
    this.#assertThere();
    const next = this.#at(`${name}.next`);
    rmSync(next, { force: true }); // others may have put it there before the directory was ours: a link, or a file that they have open
    const file = openSync(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(next, this.#at(name));
    fsyncSync(this.#handle);
  }

  /** What is put into another directory, or into none, is not there after a restart; and another process may have locked that one. */
  #assertThere(): void {
    if (isAt(this.#place, this.#handle)) return;
    const fix = 'put it back; or, if it is lost, start the worker anew once the signatures of all that was run have ended';
    throw new SetupError(`The state directory ${this.#place} was taken away: ${fix}`);
  }

  #at(name: string): string {
    return path.join(this.#place, name);
  }
}

function isAt(place: string, handle: number): boolean {
  const there: BigIntStats | undefined = lstatSync(place, { bigint: true, throwIfNoEntry: false });
  const { dev, ino } = fstatSync(handle, { bigint: true });
  return there?.dev === dev && there.ino === ino;
}

/**
 * Node cannot lock a file, so a program does it, by our own handle, and ends: the lock is the handle's. The kernel lets go of it when the
 * last process that has the handle ends, however it does, and no program that we start gets it. It is on the directory itself, so there
 * is no lock file that somebody could delete. It does not reach other machines: on a network's file system it fails, or means nothing.
 */
function lock(place: string, handle: number): void {
  const { status, error } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', handle] });
  if (status === 0) return;
  if (status === TAKEN) throw new SetupError(`Another worker has ${place}; give each one a stateDir and a workDir of its own`);
  const why = error
    ? `flock cannot be started (${(error as NodeJS.ErrnoException).code}); install util-linux`
    : `flock ended with ${status}`;
  throw new SetupError(`${place} cannot be locked: ${why}; it must be on a local disk`);
}

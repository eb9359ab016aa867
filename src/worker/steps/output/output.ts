import { closeSync, constants, fchmodSync, openSync, readSync, unlinkSync } from 'node:fs';
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { TaskLog } from './task-log.js';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const CHUNK = 65_536;
const APPEND_ONLY = 0o200;

/** Whatever can be in a pipe when its step is dead: the most that a program may enlarge it to. */
const MOST_LEFT = 1_048_576;

export interface Fifo {
  path: string;
  /** By which it is opened for the step. */
  forWriting: string;
}

/**
 * What one step prints, on its way to the log. It is a FIFO and no pipe of Node's, which is a socket that `> /dev/stdout` cannot open; nor a
 * file, in which the step could rewrite what it has printed. Nor can it read what it has printed, where `forWriting` is on a read-only mount:
 * elsewhere, without isolation, a step can change the mode of its output. One chunk is in memory at a time: a step waits for a slow log, and
 * is not waited for.
 */
export class StepOutput {
  /** For the step. */
  readonly writeEnd: number;
  readonly #cap: number;
  readonly #log: TaskLog;
  readonly #socket: Socket;
  /** Another read end, for what is left when the step is dead: the kernel says when there is no more, which a socket does not. */
  readonly #rest: number;
  #bytes = 0;
  #kept = 0;
  #written: Promise<void> = Promise.resolve();

  /** The FIFO is there already, and is unlinked. Keeps `cap` bytes, and counts the others. */
  constructor({ path, forWriting }: Fifo, cap: number, log: TaskLog) {
    this.#cap = cap;
    this.#log = log;
    const readEnd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW); // before the other end, which would wait for it
    this.#rest = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    this.writeEnd = openSync(forWriting, O_WRONLY | O_NOFOLLOW); // stays open until the step is dead, so that there is no end before
    unlinkSync(path);
    fchmodSync(readEnd, APPEND_ONLY);
    const options: SocketConstructorOpts & { onread: OnReadOpts } = { fd: readEnd, readable: true, writable: false, onread: this.#onread };
    this.#socket = new Socket(options);
  }

  /** To be called once the step is dead. Resolves when all that it printed is in the log. */
  async finish(): Promise<{ bytes: number; dropped: number }> {
    closeSync(this.writeEnd);
    await this.#written;
    this.#socket.destroy();
    await this.#takeRest();
    closeSync(this.#rest);
    const dropped = this.#bytes - this.#kept;
    if (dropped > 0) await this.#log.note(`output truncated: the first ${this.#kept} bytes are above, ${dropped} more were dropped`);
    return { bytes: this.#bytes, dropped };
  }

  /** With one buffer nothing waits in the socket: what is not taken yet is in the pipe. */
  get #onread(): OnReadOpts {
    return { buffer: Buffer.alloc(CHUNK), callback: (length, bytes) => this.#isTaken(bytes.subarray(0, length)) };
  }

  /** False: not yet, so that no more is read before `resume`. */
  #isTaken(bytes: Uint8Array): boolean {
    const kept = this.#counted(bytes);
    if (kept.length === 0) return true;
    this.#written = this.#log.write(kept).then(() => void this.#socket.resume());
    return false;
  }

  /** Where steps are not isolated a process may have survived that goes on printing: it is not heard to the end. */
  async #takeRest(): Promise<void> {
    const chunk = Buffer.alloc(CHUNK);
    for (let left = MOST_LEFT; left > 0; ) {
      const length = readAvailable(this.#rest, chunk);
      if (length === 0) return;
      left -= length;
      const kept = this.#counted(chunk.subarray(0, length));
      if (kept.length > 0) await this.#log.write(kept);
    }
  }

  #counted(bytes: Uint8Array): Uint8Array {
    this.#bytes += bytes.length;
    const kept = bytes.subarray(0, Math.max(0, this.#cap - this.#kept));
    this.#kept += kept.length;
    return kept;
  }
}

/** 0: nothing is there now. */
function readAvailable(descriptor: number, into: Uint8Array): number {
  try {
    return readSync(descriptor, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

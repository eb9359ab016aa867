import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { close, constants, openSync, write } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Redaction } from './redactor.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const OURS = 0o600;
const READ_AT_ONCE = 64 * 1024;

export interface LogDigest {
  /** Of the file, in hex. */
  sha256: string;
  /** In the file, with the line that tells that the rest is not there. */
  bytes: number;
  /** What came and is not in the file. */
  dropped: number;
}

/**
 * The log of a run while it grows, in a file that only the worker's user can read: all that was written, to the byte, but for secrets and for
 * what comes after so many bytes, in whose place there is a line that says so.
 */
export class LiveLog {
  readonly #sha256 = createHash('sha256');
  readonly #news = new EventEmitter().setMaxListeners(0);
  #bytes = 0;
  #dropped = 0;
  #isFull = false;
  #isOver = false;
  /** Settled once all that was given is in the file. */
  #written: Promise<void> = Promise.resolve();
  #ended: Promise<LogDigest> | undefined;

  private constructor(
    readonly file: string,
    private readonly handle: number,
    private readonly redactor: Redaction,
    private readonly most: number,
  ) {}

  /** Makes the file. Throws where it is there already. */
  static open(file: string, redactor: Redaction, most: number): LiveLog {
    return new LiveLog(file, openSync(file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, OURS), redactor, most);
  }

  /** Resolves once it is in the file; who does not wait for that has all of it in memory. Rejects, then and after, where the disk is full. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#ended) throw new Error('The log is over; nothing more can be written to it');
    if (this.#isFull) this.#dropped += chunk.length;
    else this.#append(this.redactor.push(chunk));
    await this.#written;
  }

  /** With what the redactor held back. Followers have come to their end when they have read it. Rejects where a write did. */
  end(): Promise<LogDigest> {
    this.#ended ??= this.#finish();
    return this.#ended;
  }

  /**
   * What is there from that byte on, then what comes, until the log is over, or the signal says so. Each follower reads the file by itself,
   * at its own pace, and holds nobody up.
   */
  async *follow(from: number, signal?: AbortSignal): AsyncIterable<Buffer> {
    const file = await open(this.file, 'r');
    try {
      for (let at = from; !signal?.aborted; ) {
        const length = Math.min(READ_AT_ONCE, this.#bytes - at);
        if (length <= 0 && this.#isOver) return;
        if (length <= 0) await this.#growth(signal);
        else {
          const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at);
          if (bytesRead === 0) throw new Error(`${this.file} is shorter than what was written to it`);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      }
    } finally {
      await file.close();
    }
  }

  #append(bytes: Buffer): void {
    this.#written = this.#written.then(() => this.#store(bytes));
  }

  async #store(bytes: Buffer): Promise<void> {
    const kept = this.#isFull ? 0 : Math.min(bytes.length, this.most - this.#bytes);
    this.#dropped += bytes.length - kept;
    await this.#put(bytes.subarray(0, kept));
    if (kept === bytes.length || this.#isFull) return;
    this.#isFull = true;
    await this.#put(Buffer.from(`\n[the log has more than ${this.most} bytes; the rest was dropped]\n`));
  }

  async #put(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) done += (await promisify(write)(this.handle, bytes, done)).bytesWritten;
    this.#sha256.update(bytes);
    this.#bytes += bytes.length;
    this.#news.emit('news');
  }

  async #finish(): Promise<LogDigest> {
    try {
      this.#append(this.redactor.end());
      await this.#written;
      return { sha256: this.#sha256.digest('hex'), bytes: this.#bytes, dropped: this.#dropped };
    } finally {
      this.#isOver = true;
      this.#news.emit('news');
      await promisify(close)(this.handle);
    }
  }

  /** An error of an abort is none: there is just no more to tell. */
  async #growth(signal: AbortSignal | undefined): Promise<void> {
    await once(this.#news, 'news', signal ? { signal } : {}).catch(() => undefined);
  }
}

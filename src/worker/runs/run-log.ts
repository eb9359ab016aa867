import { LiveLog, type LogDigest } from '../artifacts/live-log.js';
import type { LiveLogServer } from '../artifacts/live-log-server.js';
import type { Redaction } from '../artifacts/redactor.js';
import type { RunArtifacts } from '../artifacts/run-artifacts.js';
import type { Log } from '../log.js';
import type { RunNames } from './run-names.js';

const LF = 10;
const CONTENT_TYPE = 'text/plain; charset=utf-8';

interface Where {
  file: string;
  mostBytes: number;
  redactor: Redaction;
  artifacts: RunArtifacts;
  names: RunNames;
  /** Absent: the log is there when the run has ended. */
  server: LiveLogServer | undefined;
  log: Log;
}

/** The log of one run: what its steps print, and what the worker has to say. It can be read while it grows, and is an artifact in the end. */
export class RunLog {
  readonly #live: LiveLog;
  #served: { url: string; close(): void } | undefined;
  #isBroken = false;
  /** A step may end without ending its line. */
  #isInLine = false;

  constructor(private readonly where: Where) {
    this.#live = LiveLog.open(where.file, where.redactor, where.mostBytes);
  }

  /** Shows it, if that can be. */
  async publish(): Promise<void> {
    const { server, artifacts, names } = this.where;
    this.#served = server?.serve(this.#live);
    if (!this.#served) return;
    const { url } = this.#served;
    await this.#tried('The log cannot be shown while the run goes on', () =>
      artifacts.putReference(names.live, { url, contentType: CONTENT_TYPE }),
    );
  }

  /** What steps print. Never rejects: a disk that is full ends the log, not the run. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#isBroken || chunk.length === 0) return;
    this.#isInLine = chunk.at(-1) !== LF;
    try {
      await this.#live.write(chunk);
    } catch (error) {
      this.#isBroken = true;
      this.where.log.error('The log of the run cannot be written any longer', { why: (error as Error).message });
    }
  }

  /** A line of the worker's own. */
  note(line: string): Promise<void> {
    return this.write(Buffer.from(`${this.#isInLine ? '\n' : ''}[leasehold] ${line}\n`));
  }

  /** Ends it, and leaves it as an artifact. Undefined where that could not be. */
  async keep(): Promise<LogDigest | undefined> {
    const { artifacts, names, file } = this.where;
    return this.#tried('The log could not be kept', async () => {
      const digest = await this.#live.end();
      const { sha256 } = await artifacts.putFile(names.log, { file, contentType: CONTENT_TYPE });
      await artifacts.putLink(names.live, names.log, { contentType: CONTENT_TYPE });
      if (sha256 !== digest.sha256) throw new Error('its bytes are not those that were written');
      return digest;
    });
  }

  /** Nobody reads it here any longer. */
  async close(): Promise<void> {
    this.#served?.close();
    await this.#live.end().catch(() => undefined);
  }

  async #tried<T>(otherwise: string, attempt: () => Promise<T>): Promise<T | undefined> {
    try {
      return await attempt();
    } catch (error) {
      this.where.log.warn(otherwise, { why: (error as Error).message });
      return undefined;
    }
  }
}

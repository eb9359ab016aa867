import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PROGRAMS_PATH } from '../programs-path.js';
import type { ForwarderSettings } from './forwarder.js';
import { listeningAddresses } from './proxy-names.js';

const FORWARDER = fileURLToPath(new URL('./forwarder.js', import.meta.url));
/** As many as the proxy takes. */
const MOST_CONNECTIONS = 256;
/** Milliseconds. */
const READY_WITHIN = 20_000;
/** Characters of what went wrong that are kept. */
const MOST_SAID = 2_048;
const OUTSIDE = '/proc/self/ns/net';

/** Words of a shell: the loopback interface of a new namespace is down. */
const UP = '"$0" ip link set lo up && exec "$@"';

/**
 * A network namespace for one step, in which the proxy can be reached by TCP and nothing else is. Each step has its own: what the one before
 * may have left behind (a port that is listened at by a descriptor on its way to somebody, ports that wait for their time) would be the next one's.
 */
export class StepPort {
  /** Resolves when the port is open. Rejects where it cannot be, and when it is closed before. */
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #over: Promise<unknown>;
  #said = '';
  #namespace: number | undefined;
  #isClosed = false;

  /** `busybox` is static, and makes the namespace. Throws TypeError for names that are none, and what spawn throws. */
  constructor({ socketPath, names, busybox }: { socketPath: string; names: readonly string[]; busybox: string }) {
    const addresses = listeningAddresses(names);
    const settings: ForwarderSettings = { addresses, socketPath, connections: MOST_CONNECTIONS, outside: readlinkSync(OUTSIDE) };
    const program = [process.execPath, FORWARDER, JSON.stringify(settings)];
    this.#child = spawn(busybox, ['unshare', '-n', busybox, 'sh', '-c', UP, busybox, ...program], {
      ...{ cwd: '/', env: { PATH: PROGRAMS_PATH }, stdio: ['ignore', 'pipe', 'pipe'] },
    });
    this.#over = new Promise((resolve) => this.#child.once('close', resolve).once('error', resolve));
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(0, MOST_SAID);
    });
    this.ready = this.#opened();
    this.ready.catch(() => undefined); // who waits for it is told; who has closed it does not wait
  }

  /** Where the namespace can be entered while this is open. Not by a number of a process, which may be another one's by then. */
  get namespace(): string {
    if (this.#namespace === undefined) throw new Error('The port is not open');
    return `/proc/${process.pid}/fd/${this.#namespace}`;
  }

  /** Resolves when nobody listens any more. May be called at any time. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#child.kill('SIGKILL');
    await this.#over;
    if (this.#namespace !== undefined) closeSync(this.#namespace);
    this.#namespace = undefined;
  }

  async #opened(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), READY_WITHIN);
    try {
      await Promise.race([once(this.#child.stdout!, 'data'), this.#failed()]);
      if (this.#isClosed) throw new Error('it was closed');
      this.#namespace = openSync(`/proc/${this.#child.pid}/ns/net`, 'r');
      // a step without a namespace of its own would have the worker's network
      if (readlinkSync(`/proc/self/fd/${this.#namespace}`) === readlinkSync(OUTSIDE)) throw new Error('it is the worker’s own network');
    } finally {
      clearTimeout(timer);
    }
  }

  async #failed(): Promise<never> {
    await once(this.#child, 'close').catch((error: Error) => {
      this.#said = error.message;
    });
    const lines = this.#said.trim().split('\n');
    throw new Error(lines.find((line) => /error/i.test(line)) ?? (lines[0] || 'it ended and said nothing'));
  }
}

import { Socket } from 'node:net';
import type { Told } from '../job.js';
import { jsonLine } from '../json-line.js';

/**
 * A descriptor that somebody reads at their own pace. `process.stdout` is not asked: where it is slow it keeps in memory what it is given,
 * and a step may print more than that.
 */
export class Outlet {
  readonly #socket: Socket;

  /** `lost` is called if nobody reads it any more. */
  constructor(descriptor: number, lost: () => void) {
    this.#socket = new Socket({ fd: descriptor, readable: false, writable: true });
    this.#socket.on('error', lost);
  }

  /** Resolves once the system has it; only then may the bytes be changed, and more be given. */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  tell(told: Told): Promise<void> {
    return this.write(jsonLine(told));
  }
}

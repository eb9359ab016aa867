import type { Outlet } from './outlet.js';

const LF = 0x0a;

/** The log of a task: what its steps print, to the byte, and lines of the supervisor's own in between, each of which begins a line. */
export class TaskLog {
  #endsLine = true;

  constructor(private readonly outlet: Pick<Outlet, 'write'>) {}

  write(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) this.#endsLine = bytes.at(-1) === LF;
    return this.outlet.write(bytes);
  }

  note(line: string): Promise<void> {
    return this.write(Buffer.from(`${this.#endsLine ? '' : '\n'}[leasehold] ${line}\n`));
  }
}

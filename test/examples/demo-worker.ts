import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { unprivileged } from '../support/unprivileged.js';

export const PROGRAM = path.resolve('dist/src/cli/leasehold.js');
const ENDS_WITHIN_MS = 15_000;
const READY_WITHIN_MS = 20_000;

/** What the worker has on disk, in a directory that nobody else can enter. */
export class Home {
  private readonly directory = mkdtempSync(path.join(tmpdir(), 'leasehold-demo-worker-'));

  constructor(readonly user: typeof unprivileged) {
    this.give(this.directory);
  }

  put(name: string, content: object): string {
    const file = path.join(this.directory, name);
    writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
    this.give(file);
    return file;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private give(place: string): void {
    const { uid, gid } = this.user;
    if (uid !== undefined && gid !== undefined) chownSync(place, uid, gid);
  }
}

/** `leasehold worker`, and what it says. */
export class Worker {
  private readonly child;
  private readonly ended;
  private readonly said: string[] = [];

  constructor(config: string, user: typeof unprivileged) {
    const { PATH = '' } = process.env;
    this.child = spawn(process.execPath, [PROGRAM, 'worker', '--config', config], {
      ...{ ...user, cwd: '/', env: { PATH } },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.ended = once(this.child, 'close');
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.said.push(line));
  }

  async claims(): Promise<void> {
    const message = 'The worker claims';
    for (const until = Date.now() + READY_WITHIN_MS; !this.said.some((line) => line.includes(message)); await sleep(50))
      if (this.child.exitCode !== null || Date.now() > until) throw new Error(`the worker did not begin:\n${this.said.join('\n')}`);
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), ENDS_WITHIN_MS);
    await this.ended;
    clearTimeout(late);
  }
}

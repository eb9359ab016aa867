import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from './api.js';
import { type Ending, eventually } from './service-process.js';
import { compiled, privateDirectory, unprivileged } from './unprivileged.js';

const END_WITHIN_MS = 20_000;

/** A line that the worker printed. */
export interface Printed {
  time: string;
  level: string;
  msg: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
  [name: string]: any;
}

/** `leasehold worker` as a process of its own, and of a user who is not root. */
export class WorkerProcess {
  readonly entries: Printed[] = [];
  stderr = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<Ending>;
  private rest = '';

  constructor(
    readonly home: WorkerHome,
    words: string[] = [],
    environment: Record<string, string> = {},
  ) {
    const { PATH = '' } = process.env;
    const args = ['--enable-source-maps', compiled('src/cli/leasehold.js'), 'worker', '--config', home.config, ...words];
    this.child = spawn(process.execPath, args, {
      ...unprivileged,
      cwd: '/',
      env: { PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.take(text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** All that it printed of this kind. */
  said(msg: string | RegExp, members: object = {}): Printed[] {
    return this.entries.filter((entry) => {
      const isIt = typeof msg === 'string' ? entry.msg === msg : msg.test(entry.msg);
      return isIt && Object.entries(members).every(([name, value]) => entry[name] === value);
    });
  }

  async says(msg: string | RegExp, members: object = {}, withinMs = 15_000): Promise<Printed> {
    const said = () => this.said(msg, members).length > 0 || this.child.exitCode !== null;
    await eventually(`the worker says ${msg}`, said, withinMs).catch((error: Error) => this.fail(error.message));
    return this.said(msg, members)[0] ?? this.fail(`the worker ended before it said ${msg}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(): Promise<Ending> {
    const ending = await Promise.race([this.ended, sleep(END_WITHIN_MS, undefined, { ref: false })]);
    return ending ?? this.fail('the worker did not end');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.signal('SIGKILL');
    await this.end();
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    this.entries.push(...lines.map((line) => JSON.parse(line) as Printed));
  }

  private fail(why: string): never {
    throw new Error(`${why}:\n${this.entries.map((entry) => JSON.stringify(entry)).join('\n')}\n${this.stderr}`);
  }
}

/** What one worker has on disk: a directory of that user alone. */
export class WorkerHome {
  readonly directory = privateDirectory('worker');

  /** As `api` it claims from these task queues. `members` go before what is said here. */
  constructor(api: Api, taskQueues: string[], members: object = {}) {
    this.put('worker.json', {
      rootUrl: api.url,
      credentials: api.credentials,
      ...{ workerGroup: 'group', workerId: 'worker', taskQueues, stateDir: 'state', grace: 300 },
      ...{ signatures: { policy: 'off' }, isolation: 'none' },
      ...members,
    });
  }

  get config(): string {
    return this.at('worker.json');
  }

  at(...names: string[]): string {
    return path.join(this.directory, ...names);
  }

  /** A file of the worker's user. */
  put(name: string, content: object | string, mode = 0o600): string {
    const file = this.at(name);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    this.give(file, mode);
    return file;
  }

  makeDirectory(...names: string[]): string {
    const place = this.at(...names);
    mkdirSync(place, { recursive: true });
    for (let made = place; made !== this.directory; made = path.dirname(made)) this.give(made, 0o700);
    return place;
  }

  /** What lies in the directory of tasks. */
  get tasks(): string[] {
    return readdirSync(this.at('state', 'tasks'));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private give(place: string, mode: number): void {
    const { uid, gid } = statSync(this.directory);
    if (process.getuid?.() === 0) chownSync(place, uid, gid);
    chmodSync(place, mode);
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, type Credentials } from './api.js';

const MAIN = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/service/main.js');
const READY_WITHIN_MS = 30_000;
const END_WITHIN_MS = 35_000;

export const ROOT: Credentials = { clientId: 'static/root', accessToken: 'root-token-for-tests-0123456789abcdef' };

/** Enough of an environment for a service on a given database. */
export function onDatabase(databaseUrl: string): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    MASTER_KEY: 'a-master-key-for-tests-0123456789abcdef',
    STATIC_CLIENTS: JSON.stringify([{ ...ROOT, scopes: ['*'] }]),
    ANONYMOUS_SCOPES: '[]',
  };
}

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The service as a process of its own, as `npm start` runs it. It listens on a free port of 127.0.0.1 unless told otherwise. */
export class ServiceProcess {
  private readonly child: ChildProcess;
  private captured = '';
  private readonly ended: Promise<Ending>;

  constructor(environment: Record<string, string> = {}) {
    const { PATH = '', HOME = '/', TMPDIR } = process.env; // and nothing else that a developer may have set
    this.child = spawn(process.execPath, ['--enable-source-maps', MAIN], {
      env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), HOST: '127.0.0.1', PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.captured += text;
      });
    }
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  /** All that it has printed so far. */
  get output(): string {
    return this.captured;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Where it listens; throws before it is ready. */
  get url(): string {
    const port = /^ {2}API +http:\/\/localhost:(\d+)\/api$/m.exec(this.captured)?.[1];
    if (!port) throw new Error(`the service is not ready:\n${this.captured}`);
    return `http://127.0.0.1:${port}`;
  }

  get root(): Api {
    return new Api(this.url, ROOT);
  }

  async ready(): Promise<this> {
    const isReady = () => this.captured.includes('npm run demo');
    await Promise.race([this.ended, eventually('the service is ready', isReady, READY_WITHIN_MS)]);
    if (!isReady()) throw new Error(`the service ended before it was ready:\n${this.captured}`);
    return this;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** As when what its standard output was piped to has ended. */
  async closeOutput(): Promise<void> {
    const { stdout } = this.child;
    if (stdout) await once(stdout.destroy(), 'close');
  }

  async end(): Promise<Ending> {
    const ending = await Promise.race([this.ended, sleep(END_WITHIN_MS, undefined, { ref: false })]);
    if (!ending) throw new Error(`the service did not end:\n${this.captured}`);
    return ending;
  }

  /** Ends it, however far it got. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ending> {
    this.signal(signal);
    return this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop('SIGKILL');
  }
}

/** A data directory that Postgres, run as another user, may pass through too. */
export function newDataDir(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-process-'));
  chmodSync(directory, 0o711);
  return directory;
}

export function removeDataDir(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

/** What the service wrote for a shell to source. */
export function readCredentials(file: string): { rootUrl: string; credentials: Credentials } {
  const values = Object.fromEntries(
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => /^export (\w+)=(.*)$/.exec(line)?.slice(1) as [string, string]),
  );
  const { TASKCLUSTER_ROOT_URL: rootUrl = '', TASKCLUSTER_CLIENT_ID: clientId = '', TASKCLUSTER_ACCESS_TOKEN: accessToken = '' } = values;
  return { rootUrl, credentials: { clientId, accessToken } };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Looks again and again until it holds; throws when it does not in time. */
export async function eventually(what: string, holds: () => unknown, withinMs = 10_000, everyMs = 25): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    if (await holds()) return;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs / 1000} s: ${what}`);
    await sleep(everyMs);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOAD_CLIENT } from './drivers/http.js';

const MAIN = path.join(import.meta.dirname, '../../src/service/main.js');
const READY_WITHIN_MS = 60_000;
const END_WITHIN_MS = 35_000;

/**
 * The service as `npm start` runs it: the production build, a process of its own, every setting as it comes, but for a free port and
 * a client for the load. It logs its line for each request, into nowhere.
 */
export class Service {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(databaseUrl: string, dataDir: string, settings: Record<string, string> = {}, flags: string[] = []): Promise<Service> {
    const { PATH = '', HOME = '/', TMPDIR } = process.env; // and nothing else that somebody may have set
    const child = spawn(process.execPath, ['--enable-source-maps', ...flags, MAIN], {
      env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...environment(databaseUrl, dataDir), ...settings },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const kill = () => child.kill('SIGKILL'); // however this process ends, the service does not stay behind
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    try {
      return new Service(child, await ready(child));
    } catch (error) {
      kill();
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const inTime = await Promise.race([ended, sleep(END_WITHIN_MS, undefined, { ref: false })]);
    if (!inTime) this.child.kill('SIGKILL');
  }
}

function environment(databaseUrl: string, dataDir: string): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    DATA_DIR: dataDir,
    HOST: '127.0.0.1',
    PORT: '0',
    MASTER_KEY: 'the-master-key-of-the-bench-0123456789',
    STATIC_CLIENTS: JSON.stringify([LOAD_CLIENT]),
  };
}

/** Answers where it listens. */
async function ready(child: ChildProcess): Promise<string> {
  let output = '';
  const found = new Promise<string>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const port = /^ {2}API +http:\/\/localhost:(\d+)\/api$/m.exec(output)?.[1];
      if (port) resolve(`http://127.0.0.1:${port}`);
    });
  });
  const url = await Promise.race([found, once(child, 'exit').then(() => undefined), sleep(READY_WITHIN_MS, undefined, { ref: false })]);
  if (!url) throw new Error(`the service did not start:\n${output}`);
  return url;
}

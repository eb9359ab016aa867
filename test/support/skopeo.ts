import { execFile } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { newPeerDirectory, OWNER } from './peer-process.js';

const PROGRAM = '/usr/bin/skopeo';
const WITHIN_MS = 60_000;

export interface SkopeoRun {
  ok: boolean;
  /** Both streams. */
  output: string;
}

/**
 * Debian's skopeo, which is not ours. Its home is its own: there it remembers which registry has which blob, and mounts by itself; as root it
 * would remember that elsewhere. So what it reads and writes must be in directories of `newPeerDirectory`.
 */
export class Skopeo {
  static readonly isInstalled = existsSync(PROGRAM);

  readonly directory = newPeerDirectory();
  private readonly policy = path.join(this.directory, 'policy.json');

  constructor() {
    writeFileSync(this.policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  }

  /** What a skopeo answers that remembers nothing. */
  static async once(...args: string[]): Promise<SkopeoRun> {
    using skopeo = new Skopeo();
    return await skopeo.run(...args);
  }

  run(...args: string[]): Promise<SkopeoRun> {
    const { directory, policy } = this;
    const { PATH } = process.env;
    const env = { PATH, HOME: directory, XDG_RUNTIME_DIR: directory, REGISTRY_AUTH_FILE: path.join(directory, 'auth.json') };
    const words = ['--policy', policy, '--tmpdir', directory, ...args];
    return new Promise((resolve) => {
      execFile(PROGRAM, words, { env, timeout: WITHIN_MS, ...OWNER }, (error, stdout, stderr) => {
        resolve({ ok: !error, output: stdout + stderr });
      });
    });
  }

  /** Without `credentials` (`user:secret`) it has none. */
  push(layout: string, reference: string, credentials?: string): Promise<SkopeoRun> {
    const login = credentials === undefined ? ['--dest-no-creds'] : ['--dest-creds', credentials];
    return this.run('copy', '--preserve-digests', '--dest-tls-verify=false', ...login, `oci:${layout}:latest`, `docker://${reference}`);
  }

  pull(reference: string, layout: string, credentials?: string): Promise<SkopeoRun> {
    const login = credentials === undefined ? ['--src-no-creds'] : ['--src-creds', credentials];
    return this.run('copy', '--src-tls-verify=false', ...login, `docker://${reference}`, `oci:${layout}:latest`);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

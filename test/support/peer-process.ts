import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from './service-process.js';

const STOP_WITHIN_MS = 5_000;

/** Debian's `nobody`: what root starts is an ordinary user's, as it is where the tests are not run by root. */
const NOBODY = 65_534;
export const OWNER: { uid?: number; gid?: number } = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

/** A directory of whom the peers run as. */
export function newPeerDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-peers-'));
  if (OWNER.uid !== undefined) chownSync(directory, OWNER.uid, OWNER.uid);
  return directory;
}

/** Somebody else's program, in the foreground. */
export class PeerProcess {
  /** All that it has printed so far. */
  output = '';

  private constructor(
    private readonly name: string,
    private readonly child: ChildProcess,
  ) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
  }

  /** `ports`: it is ready when it listens on all of them. `owner`: ours, where it must read what only we may. */
  static async start(
    command: [string, ...string[]],
    { env, ports = [], owner = OWNER }: { env: Record<string, string>; ports?: number[]; owner?: typeof OWNER },
  ): Promise<PeerProcess> {
    const [program, ...args] = command;
    const { PATH = '' } = process.env;
    const child = spawn(program, args, { env: { PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'], ...owner });
    const peer = new PeerProcess(path.basename(program), child);
    const ready = async () => peer.hasEnded || (await Promise.all(ports.map(listens))).every(Boolean);
    await eventually(`${peer.name} listens`, ready);
    if (peer.hasEnded) throw new Error(`${peer.name} did not start:\n${peer.output}`);
    return peer;
  }

  /** With whatever processes it has started: they end with it unless it has to be killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasEnded) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGTERM');
    const timer = new AbortController();
    await Promise.race([closed, sleep(STOP_WITHIN_MS, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
    if (this.hasEnded) return;
    this.child.kill('SIGKILL');
    await closed;
    throw new Error(`${this.name} had to be killed:\n${this.output}`);
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

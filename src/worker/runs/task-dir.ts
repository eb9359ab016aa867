import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { PROGRAMS_PATH } from '../sandbox/programs-path.js';

/** Whether that may be the name of one, or of what the worker tries its sandboxes with. */
export const isTaskDir = (name: string): boolean => /^([0-9a-f]{16}|probe-[A-Za-z0-9]{6})$/.test(name);

/** The directory of one task, which only the worker's user can enter. Its name tells nothing: steps can see where their files lie. */
export class TaskDir {
  private constructor(readonly place: string) {}

  static make(workDir: string): TaskDir {
    const place = path.join(workDir, randomBytes(8).toString('hex'));
    mkdirSync(place, { mode: 0o700 });
    mkdirSync(path.join(place, 'workspace'), { mode: 0o700 });
    return new TaskDir(place);
  }

  get workspace(): string {
    return path.join(this.place, 'workspace');
  }

  get log(): string {
    return path.join(this.place, 'log');
  }

  get record(): string {
    return path.join(this.place, 'run.json');
  }

  get receipt(): string {
    return path.join(this.place, 'receipt.json');
  }

  get proxySocket(): string {
    return path.join(this.place, 'api.sock');
  }

  remove(): Promise<void> {
    return removeTree(this.place);
  }
}

/**
 * Removes a directory with whatever a task has put there: directories that nobody may enter, or so deep that no path reaches them, which
 * `rm` descends into one by one. Nothing follows a link. Throws if something is left.
 */
export async function removeTree(place: string): Promise<void> {
  const ways = [
    ['rm', '-rf', '--', place],
    ['chmod', '-R', 'u+rwx', '--', place],
    ['rm', '-rf', '--', place],
  ];
  let told = '';
  for (const way of ways) {
    told = await run(way);
    if (!existsSync(place)) return;
  }
  throw new Error(`${place} cannot be removed: ${told.split('\n')[0]}`);
}

/** What it says of what went wrong. */
async function run([program = '', ...words]: readonly string[]): Promise<string> {
  const child = spawn(program, words, { cwd: '/', env: { PATH: PROGRAMS_PATH, LC_ALL: 'C' }, stdio: ['ignore', 'ignore', 'pipe'] });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told = (told + text).slice(0, 1000)));
  await once(child, 'close').catch((error: Error) => (told = error.message));
  return told;
}

import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isTaskDir, removeTree } from '../runs/task-dir.js';
import { SetupError } from './setup-error.js';
import { trustedPath } from './trusted-path.js';

/** Milliseconds for a killed process to be gone, and between two looks. What forks faster than it can be killed is found again each time. */
const GONE_WITHIN = 10_000;
const LOOK_EVERY = 20;

/** Which is at the root of each ext4, and root's. */
const OF_THE_FILE_SYSTEM = 'lost+found';

const MARK = 'LEASEHOLD_TASK=';

/**
 * Clears the directory in which a worker's tasks lie of what a former life has left: kills processes that were started for a task in it,
 * and removes what is there. The directory's lock is to be held (StateDir), which tells that the former life is over. Throws SetupError
 * where others can enter it, it holds anything else, or something stays.
 */
export async function clearLeftovers(workDir: string): Promise<{ killed: number; removed: number }> {
  const place = trustedPath(workDir);
  if ((statSync(place).mode & 0o077) !== 0) throw new SetupError(`${workDir} can be entered by others; chmod 700 it`);
  const left = readdirSync(place).filter((name) => name !== OF_THE_FILE_SYSTEM);
  const strange = left.find((name) => !isTaskDir(name));
  if (strange !== undefined)
    throw new SetupError(`${workDir} is for the directories of tasks alone, and ${JSON.stringify(strange)} is none; give an empty one`);
  const killed = await killAll([workDir, place]);
  for (const name of left) await removeTree(path.join(place, name)).catch(cannot);
  return { killed, removed: left.length };
}

async function killAll(workDirs: readonly string[]): Promise<number> {
  const killed = new Set<number>();
  const until = performance.now() + GONE_WITHIN;
  for (;;) {
    const found = leftoversOf(workDirs);
    if (found.length === 0) return killed.size;
    if (performance.now() > until)
      throw new SetupError(`Processes of former tasks cannot be killed: ${found.join(', ')}; end them, and try again`);
    for (const pid of found) if (wasKilled(pid)) killed.add(pid);
    await sleep(LOOK_EVERY);
  }
}

/** Of our own user, and not us: another user's environment cannot be read, and is none of our business. */
function leftoversOf(workDirs: readonly string[]): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => pid !== process.pid && workDirs.some((workDir) => isOfTask(environmentOf(pid), workDir)));
}

const isOfTask = (environment: readonly string[], workDir: string) =>
  environment.some((variable) => variable.startsWith(`${MARK}${workDir}${path.sep}`));

/** Empty of a process that has ended, also where nobody has asked for its exit code yet. */
function environmentOf(pid: number): string[] {
  try {
    if (statSync(`/proc/${pid}`).uid !== process.geteuid?.()) return [];
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return [];
  }
}

function wasKilled(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false; // it has ended
  }
}

function cannot(error: Error): never {
  throw new SetupError(`What a former task has left cannot be removed: ${error.message}; remove it, and try again`);
}

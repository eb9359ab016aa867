import { type SpawnOptions, spawnSync } from 'node:child_process';
import { accessSync, chmodSync, chownSync, constants, existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/* Sandboxes are never made by root, and tests often run as root: what makes them runs as another user, who needs no name. */

const SOMEBODY = 61_234;
const isRoot = process.getuid?.() === 0;

/** For spawn. */
export const unprivileged: Pick<SpawnOptions, 'uid' | 'gid'> = isRoot ? { uid: SOMEBODY, gid: SOMEBODY } : {};

/** Whether that user can read what is there: a project in the home of root, say, is not there for others. */
export const isReadable = (place: string) => spawnSync('test', ['-r', place], unprivileged).status === 0;

/** Where a compiled program is, for that user. In tests, a copy of it where the project itself cannot be read. */
export function compiled(file: string): string {
  const place = path.resolve(process.env.TEST_PROGRAMS ?? '.', 'dist', file);
  if (!isReadable(place)) throw new Error(`${place} cannot be read by user ${SOMEBODY}; put the project where others may look`);
  return place;
}

/** A new directory that belongs to that user, and nobody else can enter. */
export function privateDirectory(name: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), `leasehold-${name}-`));
  if (isRoot) chownSync(directory, SOMEBODY, SOMEBODY);
  chmodSync(directory, 0o700);
  return directory;
}

/** Debian's packages bubblewrap and busybox-static. Without them tests of sandboxes are skipped, which CI does not allow. */
export const hasSandboxes = ['/usr/bin/bwrap', '/usr/bin/busybox'].every(isExecutable);
if (!hasSandboxes) console.warn('Tests of sandboxes are SKIPPED: apt-get install bubblewrap busybox-static');
export const describeSandboxed = (name: string, tests: () => void) => (hasSandboxes ? describe : describe.skip)(name, tests);

function isExecutable(file: string): boolean {
  if (!existsSync(file)) return false;
  accessSync(file, constants.X_OK);
  return true;
}

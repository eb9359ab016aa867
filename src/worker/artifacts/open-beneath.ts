import { closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs';
import { UnfitFile, type UnfitReason } from './artifact-error.js';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** More than any artifact's name may have; each directory is opened on the way. */
const MOST_PARTS = 512;

/** Of the file system's errors; any other is that of a file which is there and cannot be read. */
const REASONS: Record<string, UnfitReason> = {
  ENOENT: 'file-missing-on-worker',
  ENOTDIR: 'invalid-resource-on-worker',
  ELOOP: 'invalid-resource-on-worker',
  ENXIO: 'invalid-resource-on-worker',
  ENAMETOOLONG: 'invalid-resource-on-worker',
};

/**
 * Opens an ordinary file below a directory whose contents somebody else made, to be read. No link is followed, in no component, so what
 * is read is below the root, also if names change meanwhile; and nothing waits, as a pipe would. Throws UnfitFile.
 */
export function openBeneath(root: string, relative: string): number {
  const parts = partsOf(relative);
  const name = parts.pop();
  if (name === undefined) throw noFile(relative);
  const directory = openDirectoryBeneath(root, parts.join('/'));
  try {
    return openFileIn(directory, name, relative);
  } finally {
    closeSync(directory);
  }
}

/** The same for a directory; '' or '.' is the root itself. */
export function openDirectoryBeneath(root: string, relative: string): number {
  const parts = partsOf(relative);
  let directory = openSync(root, DIRECTORY);
  for (const part of parts) {
    const above = directory;
    try {
      directory = told(relative, () => openSync(entryOf(above, part), DIRECTORY));
    } finally {
      closeSync(above);
    }
  }
  return directory;
}

/** Where an entry of an open directory can be called upon, whatever the directory's names are by now. */
export function entryOf(directory: number, name: string): string {
  return `/proc/self/fd/${directory}/${name}`;
}

/** Looked at before it is opened, for to open a device may do something; and after that, for it may have become another. */
function openFileIn(directory: number, name: string, relative: string): number {
  const entry = entryOf(directory, name);
  if (!told(relative, () => lstatSync(entry)).isFile()) throw noFile(relative);
  const file = told(relative, () => openSync(entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw noFile(relative);
}

function partsOf(relative: string): string[] {
  const parts = relative.split('/').filter((part) => part !== '' && part !== '.');
  if (relative.startsWith('/') || relative.includes('\0') || parts.includes('..') || parts.length > MOST_PARTS)
    throw new UnfitFile('invalid-resource-on-worker', `${shown(relative)} is no path below the workspace; name one without '..'`);
  return parts;
}

function told<T>(relative: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const reason = REASONS[code] ?? 'file-not-readable-on-worker';
    const why = code === 'ENOENT' ? 'is not there' : `cannot be opened without following links (${code})`;
    throw new UnfitFile(reason, `${shown(relative)} ${why}`);
  }
}

const noFile = (relative: string) => new UnfitFile('invalid-resource-on-worker', `${shown(relative)} is no ordinary file`);

/** A name as it may be logged: whoever made the file may have put anything into it. */
export function shown(name: string): string {
  const text = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return JSON.stringify(text.toWellFormed()).replace(/[^\x20-\x7e]/g, '?');
}

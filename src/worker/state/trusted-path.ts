import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs';
import path from 'node:path';
import { SetupError } from './setup-error.js';

const OTHER_WRITERS = 0o022;
const STICKY = 0o1000;
const MOST_LINKS = 40;

/**
 * Where a path leads, if nobody but root and the user of this process can make it lead elsewhere: all that is on the way, links and what
 * they lead through included, is theirs, and no directory can be written by others. One that is sticky, as /tmp, will do for directories
 * below it, which others cannot move away; a file is never right in it. Throws SetupError, or that of the system if something is not there.
 */
export function trustedPath(given: string): string {
  const steps = stepsOf(path.resolve(given));
  let place = '/';
  let here = lstatSync(place);
  for (let links = 0; steps.length > 0; ) {
    const next = path.join(place, steps.shift()!);
    const found = lstatSync(next, { throwIfNoEntry: false });
    if (found) assertOwned(next, found);
    if (isOpen(here) && !(isSticky(here) && found?.isDirectory())) throw openToOthers(place); // also for what is not there yet
    const stats = found ?? lstatSync(next);
    if (!stats.isSymbolicLink()) [place, here] = [next, stats];
    else {
      if (++links > MOST_LINKS) throw new SetupError(`${given} leads through more than ${MOST_LINKS} links; name the place itself`);
      const target = readlinkSync(next);
      steps.unshift(...stepsOf(target));
      if (path.isAbsolute(target)) [place, here] = ['/', lstatSync('/')];
    }
  }
  if (isOpen(here)) throw openToOthers(place);
  return place;
}

const stepsOf = (way: string) => way.split('/').filter((step) => step !== '' && step !== '.');
const isOpen = ({ mode }: Stats) => (mode & OTHER_WRITERS) !== 0;
const isSticky = ({ mode }: Stats) => (mode & STICKY) !== 0;
const openToOthers = (place: string) => new SetupError(`Others can write to ${place}; chmod go-w it, or take a place that is not shared`);

function assertOwned(place: string, { uid }: Stats): void {
  const us = process.geteuid!();
  if (uid === us || uid === 0) return;
  throw new SetupError(`${place} belongs to user ${uid}; chown it to the worker's user (${us}) or to root`);
}

/**
 * What is in a file at the end of a trusted path. It never waits: what is no ordinary file (say, a pipe that nobody writes to) is refused,
 * and so is what is larger than that, or is written to while it is read. Throws as trustedPath.
 */
export function readTrusted(given: string, mostBytes: number): Buffer {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  const file = openSync(trustedPath(given), O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  try {
    const before = fstatSync(file, { bigint: true });
    if (!before.isFile()) throw new SetupError(`${given} is no ordinary file; name one`);
    if (before.size > mostBytes) throw new SetupError(`${given} has more than ${mostBytes} bytes; is it the right file?`);
    const bytes = Buffer.alloc(Number(before.size) + 1);
    const length = readSync(file, bytes);
    const after = fstatSync(file, { bigint: true });
    if (length !== Number(before.size) || after.size !== before.size || after.mtimeNs !== before.mtimeNs)
      throw new SetupError(`${given} is being written to; put a new file in its place (rename) instead`);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

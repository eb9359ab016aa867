import { randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * A descriptor from which that content can be read, of a file that has no name. Unlike a pipe it needs nobody to fill it while it is read:
 * eight pipes took 5 ms more of each step. It may be written to a disk, so it is not for secrets.
 */
export function anonymousFile(content: string | Buffer): number {
  const place = path.join(tmpdir(), `leasehold-${randomUUID()}`);
  const file = openSync(place, 'wx+', 0o600);
  rmSync(place);
  const bytes = Buffer.from(content);
  // at a place, which leaves the position of reading where it is; a full disk takes a part, and what is left out would be protections
  if (writeSync(file, bytes, 0, null, 0) === bytes.length) return file;
  closeSync(file);
  throw new Error(`${tmpdir()} is full`);
}

/** Files of contents that every step needs. They stay open, and are not inherited. */
const kept = new Map<string, number>();

/** As anonymousFile, for a content that is needed again: written once, and opened anew each time, which saves 0.1 ms. */
export function sharedFile(content: string | Buffer): number {
  const key = typeof content === 'string' ? content : content.toString('latin1');
  const file = kept.get(key) ?? anonymousFile(content);
  kept.set(key, file);
  return openSync(`/proc/self/fd/${file}`, 'r');
}

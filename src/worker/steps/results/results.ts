import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import type { ResultValue, WantedResult } from '../../payload/payload.js';
import type { Limits } from '../../sandbox/isolation.js';
import { resultValue } from './result-value.js';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

export interface TakenResults {
  values: Record<string, ResultValue>;
  /** Just what the files had in them. */
  bytes: Map<string, Uint8Array>;
  missing: Record<string, string>;
}

/**
 * Reads the declared results of a step that is dead, so that nothing changes while it is read; others are not looked at. No link is
 * followed, and nothing is waited for: whatever else bears a result's name is refused, and told in `missing`.
 */
export function takeResults(directory: string, wanted: readonly WantedResult[], limits: Pick<Limits, 'result' | 'results'>): TakenResults {
  const taken: TakenResults = { values: Object.create(null), bytes: new Map(), missing: Object.create(null) };
  let left = limits.results;
  for (const { name, type } of wanted)
    try {
      const bytes = readResult(path.join(directory, name), limits.result);
      if (bytes.length > left) throw new Error(`with it, results of the step have more than ${limits.results} bytes together`);
      taken.values[name] = resultValue(type, bytes);
      taken.bytes.set(name, bytes);
      left -= bytes.length;
    } catch (error) {
      taken.missing[name] = `result ${name}: ${reasonOf(error as NodeJS.ErrnoException)}`;
    }
  return taken;
}

function readResult(file: string, most: number): Uint8Array {
  const descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error('it is no ordinary file');
    if (stats.size > most) throw new Error(`it has ${stats.size} bytes, and may have ${most}; leave an artifact instead`);
    const bytes = Buffer.alloc(stats.size);
    return bytes.subarray(0, readWhole(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
}

function readWhole(descriptor: number, into: Uint8Array): number {
  let length = 0;
  for (let more = -1; more !== 0; length += more) more = readSync(descriptor, into, length, into.length - length, null);
  return length;
}

const REASONS: Record<string, string> = {
  ENOENT: 'the step did not write it',
  ELOOP: 'it is a link',
  ENXIO: 'it is no ordinary file',
  EACCES: 'it cannot be read',
};

const reasonOf = ({ code, message }: NodeJS.ErrnoException) =>
  code === undefined ? message : (REASONS[code] ?? `it cannot be read (${code})`);

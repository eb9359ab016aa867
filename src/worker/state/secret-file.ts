import { statSync } from 'node:fs';
import { SetupError } from './setup-error.js';
import { readTrusted } from './trusted-path.js';

/**
 * The bytes of a file that nobody else can change, and nobody else can read. What belongs to root may be read by the worker's group, for it
 * could not be read by the worker otherwise. Throws SetupError, and what the system says of a file that is not there.
 */
export function readSecret(file: string, mostBytes: number): Buffer {
  const bytes = readTrusted(file, mostBytes);
  const { mode, uid } = statSync(file);
  const wrong = uid === 0 && process.geteuid?.() !== 0 ? 0o007 : 0o077;
  if ((mode & wrong) === 0) return bytes;
  throw new SetupError(`${file} can be read by others; chmod ${wrong === 0o007 ? 'o-rwx' : '600'} it, and change what was in it`);
}

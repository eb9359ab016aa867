import { mkdirSync } from 'node:fs';
import { SetupError } from './setup-error.js';

/** Makes a directory that nobody else can enter, unless it is there. Throws SetupError where that cannot be. */
export function makePrivate(place: string): void {
  try {
    mkdirSync(place, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SetupError(`${place} cannot be made (${code}); make it, chown it to the worker's user and chmod 700 it, or name another one`);
  }
}

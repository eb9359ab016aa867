import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';
import type { SandboxSettings } from '../isolation.js';
import { IsolationUnavailable } from '../isolation-unavailable.js';
import { isStaticProgram } from './static-program.js';

const FIX = 'apt-get install bubblewrap busybox-static';
const HEAD = 4096;

/** Throws IsolationUnavailable where bwrap or busybox is not there, or busybox would need a library, which another root may not have. */
export function assertPrograms({ bubblewrap, busybox }: SandboxSettings): void {
  const noBwrap = whyNot(() => accessSync(bubblewrap, constants.X_OK));
  if (noBwrap) throw new IsolationUnavailable('BWRAP_MISSING', `bubblewrap cannot be run (${noBwrap}); ${FIX}`);
  let isStatic = false;
  const noBusybox = whyNot(() => {
    accessSync(busybox, constants.X_OK);
    isStatic = isStaticProgram(headOf(busybox));
  });
  if (noBusybox) throw new IsolationUnavailable('SANDBOX_BROKEN', `busybox cannot be run (${noBusybox}); ${FIX}`);
  if (!isStatic) throw new IsolationUnavailable('SANDBOX_BROKEN', `${busybox} is not static, or is no program; ${FIX}`);
}

/** The system's own words, which name the file. */
function whyNot(attempt: () => void): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function headOf(file: string): Buffer {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(HEAD);
    return bytes.subarray(0, readSync(handle, bytes));
  } finally {
    closeSync(handle);
  }
}

import { closeSync, readdirSync, readFileSync } from 'node:fs';

const O_CLOEXEC = 0o2000000;

/**
 * Closes what the program was started with beyond standard input, output and error. Node leaves it open, and each program that it starts
 * would have it, too: a step could read what a shell had opened long before. What Node opens itself is never passed on (O_CLOEXEC), and
 * stays. To be called before anything else is opened, with the descriptors that whoever started the program passed on purpose.
 */
export function closeInherited(keep: readonly number[] = []): void {
  for (const name of readdirSync('/proc/self/fdinfo')) {
    const descriptor = Number(name);
    if (descriptor > 2 && !keep.includes(descriptor) && isInherited(name)) closeSync(descriptor);
  }
}

function isInherited(name: string): boolean {
  const flags = /^flags:\s*(\d+)/m.exec(infoOf(name))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
}

/** Nothing of what is closed by now: the directory that was being read, say. */
function infoOf(name: string): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${name}`, 'utf8');
  } catch {
    return '';
  }
}

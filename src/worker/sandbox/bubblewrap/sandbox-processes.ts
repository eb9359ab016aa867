import { readdirSync, readFileSync } from 'node:fs';

/**
 * Process ids of all that a process has started, and of what that has, by our own /proc. In a sandbox, whatever loses its parent becomes a
 * child of PID 1, so none is missed but one whose parent dies while we look; look again.
 */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/**
 * Whether that process is the first one of a namespace within ours. Once it is not, or just waits for its parent to ask how it ended, the
 * kernel has left nothing of that namespace. One whose first thread alone has ended looks as if it did, and lives. All of it is of one moment:
 * threads that are looked at one by one can be replaced by others meanwhile.
 */
export function isFirstOfItsNamespace(pid: number): boolean {
  const status = textOf(`/proc/${pid}/status`);
  if (!/^NSpid:\s.*\s1$/m.test(status)) return false;
  return !/^State:\s*[ZX]/m.test(status) || Number(/^Threads:\s*(\d+)$/m.exec(status)?.[1]) > 1;
}

function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) => textOf(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number));
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Nothing of a process that has ended meanwhile. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

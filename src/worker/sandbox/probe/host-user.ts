import { IsolationUnavailable } from '../isolation-unavailable.js';

export interface HostUser {
  platform: string;
  /** Of process.getuid. */
  uid: number | undefined;
  /** What is in /proc/self/uid_map. */
  uidMap: string;
}

/**
 * Throws IsolationUnavailable where no sandbox may even be tried. What is root outside stays root in the kernel's eyes, whatever a sandbox
 * calls it: such a step can write to /proc/sys/kernel/core_pattern, which is a program that the host's root runs. A root that is another
 * user outside (that of a container, say) will do.
 */
export function assertHostUser({ platform, uid, uidMap }: HostUser): void {
  if (platform !== 'linux' || uid === undefined)
    throw new IsolationUnavailable('NOT_LINUX', `Steps are isolated on Linux alone, and this is ${platform}; run the worker there`);
  if (outsideOf(uid, uidMap) !== 0) return;
  const fix = 'run it as another user (User= of systemd, setpriv --reuid, USER of a container)';
  throw new IsolationUnavailable('RUNS_AS_ROOT', `The worker is root, so a step could become root of this machine; ${fix}`);
}

/** Each line is of a range: its first user here, its first user outside, and its length. */
function outsideOf(uid: number, uidMap: string): number {
  for (const line of uidMap.trim().split('\n')) {
    const [inside = 0, outside = 0, length = 0] = line.trim().split(/\s+/).map(Number);
    if (uid >= inside && uid < inside + length) return outside + uid - inside;
  }
  return uid;
}

import { readFileSync } from 'node:fs';

/**
 * How many processes the kernel has killed for want of memory since it began, on the whole machine: without a cgroup of each step's own nobody
 * tells whose they were. So it says why a step was killed only together with an exit code of 137 that is not our doing. 0 where it is not told.
 */
export function oomKills(): number {
  try {
    return oomKillsIn(readFileSync('/proc/vmstat', 'utf8'));
  } catch {
    return 0;
  }
}

export const oomKillsIn = (vmstat: string): number => Number(/^oom_kill (\d+)$/m.exec(vmstat)?.[1] ?? 0);

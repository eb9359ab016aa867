import { readdirSync, readFileSync } from 'node:fs';

/** What a process and its descendants have used. */
export interface Usage {
  cpuSeconds: number;
  /** Of the largest of them. */
  rssMegabytes: number;
}

const TICKS_PER_SECOND = 100; // of /proc/<pid>/stat: the same on every Linux that Node runs on

interface Entry {
  pid: number;
  parent: number;
  name: string;
  ticks: number;
  /** Of children that have ended and were waited for. */
  ticksOfEnded: number;
}

/** Nothing where there is no /proc. */
export function usageOf(pid: number): Usage | undefined {
  const tree = treeOf(pid);
  if (tree.length === 0) return undefined;
  const ticks = tree.reduce((sum, entry) => sum + entry.ticks + entry.ticksOfEnded, 0);
  return { cpuSeconds: ticks / TICKS_PER_SECOND, rssMegabytes: Math.max(...tree.map((entry) => rssOf(entry.pid))) };
}

/** The server process that a backend belongs to; nothing if that backend is not on this machine, or there is no /proc. */
export function postmasterOf(backend: number): number | undefined {
  const entry = read(backend);
  return entry && /^postgres/.test(entry.name) ? entry.parent : undefined;
}

function treeOf(root: number): Entry[] {
  const all = pids().flatMap((pid) => read(pid) ?? []);
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid)); // grows while it is walked
  return tree;
}

function pids(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** `pid (name) state ppid …`; utime, stime, cutime and cstime are the fields 14 to 17. */
function read(pid: number): Entry | undefined {
  try {
    const [, name = '', rest = ''] = /\((.*)\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    const fields = rest.split(' ').map(Number);
    const [parent = 0, user = 0, system = 0, endedUser = 0, endedSystem = 0] = [1, 11, 12, 13, 14].map((index) => fields[index]);
    return { pid, parent, name, ticks: user + system, ticksOfEnded: endedUser + endedSystem };
  } catch {
    return undefined;
  }
}

function rssOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

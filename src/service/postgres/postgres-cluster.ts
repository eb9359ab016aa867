import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import {
  type Account,
  canEnter,
  EmbeddedPostgresError,
  give,
  makeWhole,
  postgresAccount,
  SYSTEM_DIRECTORY,
  systemDirectory,
} from './postgres-host.js';
import { ending, KILL_ALL, spawnWatched } from './postmaster.js';

/** Named by the major version: data of one cannot be read by another. */
const CLUSTER = 'pg18';
const INIT_TIMEOUT_MS = 120_000;

/** Where a cluster lives and who runs it. */
export interface Place {
  cluster: string;
  account: Account | undefined;
  notice?: string;
}

/** The cluster stays where it once was; a new one goes below `requested` if the account that runs Postgres gets there. */
export async function findPlace(requested: string): Promise<Place> {
  await mkdir(requested, { recursive: true });
  const dataDir = await realpath(requested);
  const cluster = path.join(dataDir, CLUSTER);
  const account = await postgresAccount(cluster);
  if (!account) return { cluster, account };
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  const elsewhere = path.join(SYSTEM_DIRECTORY, hash, CLUSTER);
  const reachable = await makeReachable(dataDir, account);
  if (existsSync(cluster) && !reachable) {
    throw new EmbeddedPostgresError(
      `User ${account.name} cannot reach the database in ${cluster}: open the directories above it to that user.`,
    );
  }
  if (existsSync(cluster) || (reachable && !existsSync(elsewhere))) return { cluster, account };
  await systemDirectory(hash);
  const notice = `The data is in ${elsewhere}, because Postgres runs as user ${account.name}, who could not reach ${dataDir}.`;
  return { cluster: elsewhere, account: await postgresAccount(elsewhere), notice };
}

/** The data directory is ours to open, and only to pass through; those above it are not. */
async function makeReachable(dataDir: string, account: Account): Promise<boolean> {
  if (await canEnter(dataDir, account)) return true;
  if (!(await canEnter(path.dirname(dataDir), account))) return false;
  await chmod(dataDir, (await stat(dataDir)).mode | 0o001);
  return canEnter(dataDir, account);
}

/** Makes the cluster unless it is there; a `durable` one is on the disk before it counts as made. */
export async function makeCluster({ cluster, account }: Place, programs: string, durable: boolean): Promise<void> {
  await makeWhole(cluster, 'PG_VERSION', async (temporary) => {
    await give(temporary, account);
    await initialise(temporary, path.join(programs, 'initdb'), account, durable ? [] : ['--no-sync']);
  });
}

/** The builtin locale needs nothing of the system; `trust`, because who gets to the socket is decided by its directory. */
async function initialise(directory: string, initdb: string, account: Account | undefined, flags: string[]): Promise<void> {
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const command = [initdb, '-D', directory, '--username=postgres', '--auth=trust', '--no-instructions', ...locale, ...flags];
  const child = spawnWatched(KILL_ALL, command, account, 'pipe');
  const timer = setTimeout(() => child.stdin?.end(), INIT_TIMEOUT_MS);
  const [output, end] = await Promise.all([text(child.stderr!), ending(child)]).finally(() => clearTimeout(timer));
  if (end !== 'exit code 0')
    throw new EmbeddedPostgresError(`initdb could not make a database in ${directory} (${end}):\n${output.trim()}`);
}

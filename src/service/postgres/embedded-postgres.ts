import type { ChildProcess } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPlace, makeCluster, type Place } from './postgres-cluster.js';
import { EmbeddedPostgresError, postgresPrograms } from './postgres-host.js';
import {
  ending,
  hangUp,
  livePostmaster,
  makeSocketDirectory,
  readPidFile,
  removeSockets,
  SHUT_DOWN,
  spawnWatched,
  until,
} from './postmaster.js';

export { EmbeddedPostgresError } from './postgres-host.js';

/** A Postgres server that belongs to this process and ends with it, however that happens. */
export interface EmbeddedPostgres {
  url: string;
  /** Where the cluster really is. */
  dataDir: string;
  /** What the operator should know: that the data is not where they asked for it. */
  notice?: string;
  stop(): Promise<void>;
  /** Resolves with the reason when the server ends by itself; stays pending when it is stopped. */
  exited: Promise<string>;
}

/** How to start. */
export interface EmbeddedPostgresOptions {
  dataDir: string;
  /** `false` is for tests: as fast as possible, and a crash of the machine loses the data. */
  durable?: boolean;
  /** More settings as in postgresql.conf; they win over the defaults. */
  settings?: Record<string, string>;
}

/**
 * What was tried and brings nothing (test/bench/wear.ts): more shared_buffers (512 MB: the same CPU a cycle), fewer checkpoints (frequent ones
 * cost 11 % more WAL and no CPU). These binaries compress WAL by pglz only.
 */
const SETTINGS = {
  listen_addresses: '', // only the socket in a private directory: no port to collide, nothing to attack from outside
  unix_socket_permissions: '0700',
  max_connections: '100', // several services' or test files' pools; an idle slot costs next to nothing
  shared_buffers: '128MB', // live tasks fit, and the machine is shared with the service and perhaps with workers
  timezone: 'UTC',
  log_timezone: 'UTC',
  jit: 'off', // compiling takes longer than any statement of a queue
  io_method: 'sync', // the working set is cached: no need for processes that read ahead,
  max_logical_replication_workers: '0', // nor for one that looks after replication
  autovacuum_naptime: '10s', // rows of a queue die fast, and claims pay for every dead one they step over
  log_min_messages: 'log', // the server's own events; clients are told their errors, so the log stays small
  log_checkpoints: 'off',
};

const UNSAFE_BUT_FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' };

/** A predecessor on its way out needs at most 10 s (see SHUT_DOWN); one that shows no sign of stopping is in use. */
const STOPPING_PATIENCE_MS = 15_000;
const RUNNING_PATIENCE_MS = 5_000;

/** Replaying the write-ahead log after a crash of the machine takes its time. */
const READY_TIMEOUT_MS = 120_000;

const LOG_LIMIT_BYTES = 1_000_000;
const LOG_TAIL_LINES = 50;

/** Starts Postgres on the cluster under `dataDir`, and makes the cluster at the first start. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    const place = await findPlace(options.dataDir);
    const programs = await postgresPrograms(place.account);
    await makeCluster(place, programs, options.durable !== false);
    return await startWhenFree(place, path.join(programs, 'postgres'), options);
  } catch (error) {
    throw error instanceof EmbeddedPostgresError ? error : cannotStart(options.dataDir, error as NodeJS.ErrnoException);
  }
}

/** The URL of the server that another process runs on the cluster under `dataDir`, if one does. */
export async function findEmbeddedPostgres(dataDir: string): Promise<string | undefined> {
  const { cluster } = await findPlace(dataDir);
  const postmaster = await livePostmaster(cluster);
  return postmaster?.status === 'ready' ? urlOf(postmaster.sockets) : undefined;
}

function cannotStart(dataDir: string, cause: NodeJS.ErrnoException): EmbeddedPostgresError {
  const unwritable = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(cause.code ?? '');
  const advice = unwritable ? ' It needs a data directory this user can write, with space left.' : '';
  return new EmbeddedPostgresError(`The embedded Postgres in ${dataDir} cannot start: ${cause.message}.${advice}`, { cause });
}

/** Waits for a predecessor on its way out. Postgres's own lock has the last word, so starting is tried again while that is in dispute. */
async function startWhenFree(place: Place, postgres: string, options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const deadline = performance.now() + STOPPING_PATIENCE_MS;
  for (let attempts = 0; attempts < 50 && performance.now() < deadline; attempts++) {
    await waitUntilFree(place.cluster);
    const started = await start(place, postgres, options);
    if (started) return started;
    await sleep(200);
  }
  throw inUse(place.cluster);
}

async function waitUntilFree(cluster: string): Promise<void> {
  const began = performance.now();
  const holder = await until(
    async () => {
      const postmaster = await livePostmaster(cluster);
      const patience = postmaster?.status === 'stopping' ? STOPPING_PATIENCE_MS : RUNNING_PATIENCE_MS;
      return !postmaster || performance.now() - began > patience ? { pid: postmaster?.pid } : undefined;
    },
    STOPPING_PATIENCE_MS + 1_000,
    50,
  );
  if (!holder || holder.pid) throw inUse(cluster, holder?.pid);
}

function inUse(cluster: string, pid?: number): EmbeddedPostgresError {
  const which = pid ? ` (its Postgres is process ${pid})` : '';
  return new EmbeddedPostgresError(
    `Another process uses the database in ${cluster}${which}. Stop that process, or give this one a data directory of its own.`,
  );
}

/** One attempt; answers nothing when another Postgres holds the cluster's lock. */
async function start(place: Place, postgres: string, options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres | undefined> {
  const log = await openLog(path.join(path.dirname(place.cluster), 'postgres.log'));
  const sockets = await makeSocketDirectory(place.account);
  const command = [postgres, '-D', place.cluster, ...settingFlags(sockets, options)];
  const child = spawnWatched(SHUT_DOWN, command, place.account, log.file.fd, sockets);
  const ended = ending(child).finally(() => removeSockets(sockets));
  const ready = untilReady(place.cluster, sockets, child);
  const failure = await Promise.race([ended, ready]).catch((error: Error) => error.message);
  await log.file.close();
  if (!failure) return running(place, sockets, child, ended, log.tail);
  await hangUp(child);
  const tail = await log.tail();
  if (/lock file ".*" already exists|shared memory block .* is still in use/.test(tail)) return undefined;
  throw new EmbeddedPostgresError(`Postgres did not start on ${place.cluster} (${failure}). The end of its log:\n${tail}`);
}

function settingFlags(sockets: string, { durable, settings }: EmbeddedPostgresOptions): string[] {
  const all = { ...SETTINGS, ...(durable === false && UNSAFE_BUT_FAST), ...settings, unix_socket_directories: sockets };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Ready is what postmaster.pid calls ready, under our socket directory: the file may still be another one's. Answers what went wrong. */
async function untilReady(cluster: string, sockets: string, child: ChildProcess): Promise<string | undefined> {
  const outcome = await until(
    async () => {
      if (child.exitCode !== null || child.signalCode !== null) return 'ended';
      const file = await readPidFile(cluster);
      return file?.sockets === sockets && file.status === 'ready' ? 'ready' : undefined;
    },
    READY_TIMEOUT_MS,
    10,
  );
  return outcome === 'ready' ? undefined : (outcome ?? `not ready after ${READY_TIMEOUT_MS / 1000} s`);
}

function running(
  { cluster, notice }: Place,
  sockets: string,
  child: ChildProcess,
  ended: Promise<string>,
  logTail: () => Promise<string>,
): EmbeddedPostgres {
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= hangUp(child).then(() => removeSockets(sockets));
    return stopped;
  };
  const exited = new Promise<string>((resolve) => {
    ended.then(async (how) => stopped ?? resolve(`Postgres ended by itself (${how}). The end of its log:\n${await logTail()}`));
  });
  return { url: urlOf(sockets), dataDir: cluster, ...(notice && { notice }), stop, exited };
}

function urlOf(sockets: string): string {
  return `postgres://postgres@localhost/postgres?host=${encodeURIComponent(sockets)}`; // the parameter wins over `localhost`
}

/** Starts the file over when it has become big; `tail` tells what was added since. */
async function openLog(name: string) {
  const size = existsSync(name) ? statSync(name).size : 0;
  const from = size > LOG_LIMIT_BYTES ? 0 : size;
  const file = await open(name, from === size ? 'a' : 'w', 0o600);
  const tail = async () => {
    const added = (await readFile(name).catch(() => Buffer.alloc(0))).subarray(from); // gone when somebody deletes a live database
    return added.toString().trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  };
  return { file, tail };
}

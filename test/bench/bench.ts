import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLeaseholdClient } from '../../src/client/client.js';
import type { Credentials } from '../../src/credentials/ext.js';
import { slugid } from '../../src/credentials/slugid.js';
import { Latencies, LOAD_SCOPES, Load } from './load.js';

/*
 * `npm run bench`: starts the service as users do (its own process, embedded Postgres with fsync on, or DATABASE_URL) and
 * measures creates, one by one and in batches, and whole cycles: claimWork, one reclaimTask, reportCompleted, the last two with the credentials that were
 * lent. Prints a table and writes bench.json. Read ratios between rows of one run: machines differ, and this one shares its
 * cores with the load.
 */

const TASKS = Number(process.env.BENCH_TASKS ?? 2_000);
const CONCURRENCIES = [1, 8, 32];
const BATCHES = [1, 8];
const MOST_IN_A_BATCH = 3_000;

interface Row {
  what: string;
  concurrency: number;
  batch: number;
  perSecond: number;
  [call: string]: number | string | { p50: number; p99: number };
}

async function main(): Promise<void> {
  const service = await startProcess();
  const rows: Row[] = [];
  try {
    for (const concurrency of CONCURRENCIES) {
      for (const batch of BATCHES) {
        const queue = `bench/c${concurrency}-b${batch}`;
        const load = new Load(service.url, service.credentials, concurrency);
        rows.push(await creates(load, queue, concurrency, rows.length === 0 ? TASKS / 4 : TASKS));
        rows.push(await cycles(load, queue, concurrency, batch));
        load.close();
      }
    }
    for (const dependencies of [0, 4]) rows.push(await batches(new Load(service.url, service.credentials, 1), dependencies));
  } finally {
    await service.stop();
  }
  console.table(rows.slice(2).map((row) => flat(row))); // the first pair warms up
  writeFileSync('bench.json', `${JSON.stringify(rows, null, 2)}\n`);
}

async function creates(load: Load, queue: string, concurrency: number, count: number): Promise<Row> {
  const create = new Latencies();
  let left = count;
  const seconds = await timed(concurrency, async () => {
    while (left-- > 0) await create.time(() => load.createTask(queue));
  });
  return { what: 'create', concurrency, batch: 1, perSecond: Math.round(count / seconds), create: create.summary() };
}

/** Five requests, each of as many tasks as one may create. */
async function batches(load: Load, dependencies: number): Promise<Row> {
  const create = new Latencies();
  const seconds = await timed(1, async () => {
    for (let n = 0; n < 5; n++) await create.time(() => load.createTasks(`bench/d${dependencies}`, MOST_IN_A_BATCH, dependencies));
  });
  load.close();
  const perSecond = Math.round((5 * MOST_IN_A_BATCH) / seconds);
  return { what: `${dependencies} edges a task`, concurrency: 1, batch: MOST_IN_A_BATCH, perSecond, create: create.summary() };
}

async function cycles(load: Load, queue: string, concurrency: number, batch: number): Promise<Row> {
  const [claim, reclaim, complete] = [new Latencies(), new Latencies(), new Latencies()];
  let done = 0;
  const seconds = await timed(concurrency, async (worker) => {
    for (;;) {
      const claims = await claim.time(() => load.claimWork(queue, `w${worker}`, batch));
      if (claims.length === 0) return;
      for (const held of claims) {
        const fresh = await reclaim.time(() => load.run<{ credentials: Credentials }>(held, 'reclaim', held.credentials));
        await complete.time(() => load.run(held, 'completed', fresh.credentials));
        done++;
      }
    }
  });
  return {
    what: 'cycle',
    concurrency,
    batch,
    perSecond: Math.round(done / seconds),
    claim: claim.summary(),
    reclaim: reclaim.summary(),
    complete: complete.summary(),
  };
}

async function timed(concurrency: number, work: (worker: number) => Promise<void>): Promise<number> {
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, (_, worker) => work(worker)));
  return (performance.now() - start) / 1000;
}

function flat(row: Row): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'object' ? `${value.p50} / ${value.p99} ms` : value]),
  );
}

async function startProcess() {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'leasehold-bench-'));
  const main = path.join(import.meta.dirname, '../../src/service/main.js');
  const env = { ...process.env, PORT: '0', HOST: '127.0.0.1', DATA_DIR: dataDir, LOG_LEVEL: 'warn', CLAIM_POLL: '0', STATIC_CLIENTS: '' };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((ready, failed) => {
    child.stdout.on('data', (text) => String(text).includes('is ready') && ready());
    child.once('exit', (code) => failed(new Error(`the service ended with ${code}`)));
  });
  const file = readFileSync(path.join(dataDir, 'credentials.env'), 'utf8');
  const exported = (name: string) => new RegExp(`^export TASKCLUSTER_${name}=(.*)$`, 'm').exec(file)?.[1] ?? '';
  const stop = async () => {
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await ended;
    rmSync(dataDir, { recursive: true, force: true });
  };
  const url = exported('ROOT_URL').replace('localhost', '127.0.0.1');
  const first = { clientId: exported('CLIENT_ID'), accessToken: exported('ACCESS_TOKEN') };
  return { url, credentials: await clientOf(url, first), stop };
}

/** What is measured is what a narrow client waits for, not one that may do anything. */
async function clientOf(rootUrl: string, first: Credentials): Promise<Credentials> {
  const admin = createLeaseholdClient({ rootUrl, credentials: () => first });
  const clientId = `bench/${slugid()}`;
  const expires = new Date(Date.now() + 86_400_000).toISOString();
  const body = { expires, description: 'made by the bench', deleteOnExpiration: true, scopes: LOAD_SCOPES };
  const { data, error } = await admin.PUT('/api/auth/v1/clients/{clientId}', { params: { path: { clientId } }, body });
  if (!data) throw new Error(error.message);
  return { clientId, accessToken: data.accessToken };
}

await main();

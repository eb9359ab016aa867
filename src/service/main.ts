import 'reflect-metadata';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { satisfies } from '../scopes/scope.js';
import { REPLICA, type Report } from './cluster.js';
import { type Config, ConfigError, readConfig } from './config.js';
import type { ReplicaConfig } from './deployment.js';
import { EmbeddedPostgresError } from './postgres/embedded-postgres.js';
import { startReplica } from './replica.js';
import { type Running, startService, startServiceCluster } from './service.js';

const STOP_WITHIN_MS = 30_000;
const OPEN = `  Anonymous   whoever reaches it may read tasks and their payloads; ANONYMOUS_SCOPES='[]' ends that`;

/**
 * How much garbage may pile up beside what lives, in percent. V8 would let the heap grow fourfold before it looks: after a few batches
 * of 3 000 tasks a process took 380 MB, of which 66 were alive. So it takes 270 at most.
 */
const HEAP_GROWTH = 60;
setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`);

async function main(): Promise<void> {
  process.stdout.on('error', () => undefined); // who read it may have gone; that is no reason to end without ceremony
  const config = readConfig(process.env);
  const service = await (config.cluster > 1 ? startServiceCluster(config) : startService(config));
  service.failed.then((reason) => {
    console.error(`The embedded Postgres has ended: ${reason}`);
    process.exit(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      console.log(`${signal}: finishing what is under way`);
      process.once(signal, () => process.exit(1));
      stop(service);
    });
  }
  greet(service, config);
}

/**
 * One of the processes of CLUSTER. Ctrl-C reaches all processes of a terminal, so what it means is decided by the first alone. SIGTERM
 * may come twice, from who stops all processes of a service at once and then from the first; the first also ends what takes too long.
 */
async function runReplica(): Promise<void> {
  process.on('SIGINT', () => undefined);
  const replica = await startReplica(readConfig(process.env) as ReplicaConfig);
  let stopping = false;
  process.on('SIGTERM', () => {
    if (!stopping) stop(replica);
    stopping = true;
  });
  await tell({ ready: replica.url });
}

function greet({ url, rootUrl, metricsUrl, credentialsFile, notice }: Running, { databaseUrl, dataDir, anonymousScopes }: Config): void {
  const lines = [
    '',
    `  Leasehold is ready at ${rootUrl}`,
    `  API         ${url}/api`,
    ...(metricsUrl ? [`  Metrics     ${metricsUrl}`] : []),
    `  Data        ${databaseUrl === undefined ? shortest(dataDir) : 'in the database of DATABASE_URL'}`,
    ...(credentialsFile ? [`  Credentials ${shortest(credentialsFile)} (the bootstrap client; it may do anything)`] : []),
    ...(anonymousScopes.some((scope) => satisfies(scope, 'queue:get-task:*')) ? [OPEN] : []),
    ...(notice ? [`  Note        ${notice}`] : []),
    '',
    '  Next, in another terminal:',
    credentialsFile ? `    . '${credentialsFile}'` : '    export TASKCLUSTER_ROOT_URL=… TASKCLUSTER_CLIENT_ID=… TASKCLUSTER_ACCESS_TOKEN=…',
    '    npm run demo',
    '',
  ];
  console.log(lines.join('\n'));
}

function shortest(file: string): string {
  const relative = path.relative('', file) || '.';
  return relative.startsWith('..') ? file : relative;
}

/** A second signal, or half a minute, ends it without ceremony. */
async function stop(running: { close(): Promise<void> }): Promise<void> {
  setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
  await running.close();
  process.exit(0);
}

/** To the process that started us; settles once it is sent. */
function tell(report: Report): Promise<unknown> {
  return new Promise((sent) => process.send?.(report, sent));
}

async function run(): Promise<void> {
  const isReplica = process.argv[2] === REPLICA;
  try {
    await (isReplica ? runReplica() : main());
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
    if (known && isReplica) await tell({ refused: error.message });
    else console.error(known ? `\nLeasehold cannot start. ${error.message}\n` : error);
    process.exit(1);
  }
}

await run();

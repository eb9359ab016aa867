import 'reflect-metadata';
import path from 'node:path';
import { ConfigError, readConfig } from './config.js';
import { EmbeddedPostgresError } from './postgres/embedded-postgres.js';
import { type RunningService, startService } from './service.js';

const STOP_WITHIN_MS = 30_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const service = await startService(config);
  service.failed.then((reason) => {
    console.error(`The embedded Postgres has ended: ${reason}`);
    process.exit(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(service, signal));
  greet(service, config.databaseUrl === undefined ? config.dataDir : undefined);
}

function greet({ url, rootUrl, credentialsFile, notice }: RunningService, dataDir: string | undefined): void {
  const lines = [
    '',
    `  Leasehold is ready at ${rootUrl}`,
    `  API         ${url}/api`,
    `  Data        ${dataDir ? shortest(dataDir) : 'in the database of DATABASE_URL'}`,
    ...(credentialsFile ? [`  Credentials ${shortest(credentialsFile)} (the bootstrap client; it may do anything)`] : []),
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
async function stop(service: RunningService, signal: string): Promise<void> {
  console.log(`${signal}: finishing what is under way`);
  process.once(signal, () => process.exit(1));
  setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
  await service.close();
  process.exit(0);
}

main().catch((error) => {
  const known = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
  console.error(known ? `\nLeasehold cannot start. ${error.message}\n` : error);
  process.exit(1);
});

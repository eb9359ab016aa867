import 'reflect-metadata';
import path from 'node:path';
import { satisfies } from '../scopes/scope.js';
import { type Config, ConfigError, readConfig } from './config.js';
import { EmbeddedPostgresError } from './postgres/embedded-postgres.js';
import { type RunningService, startService } from './service.js';

const STOP_WITHIN_MS = 30_000;
const OPEN = `  Anonymous   whoever reaches it may read tasks and their payloads; ANONYMOUS_SCOPES='[]' ends that`;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const service = await startService(config);
  service.failed.then((reason) => {
    console.error(`The embedded Postgres has ended: ${reason}`);
    process.exit(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(service, signal));
  greet(service, config);
}

function greet({ url, rootUrl, credentialsFile, notice }: RunningService, { databaseUrl, dataDir, anonymousScopes }: Config): void {
  const lines = [
    '',
    `  Leasehold is ready at ${rootUrl}`,
    `  API         ${url}/api`,
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

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DataSource } from 'typeorm';
import { AppModule, type Foundations } from './app.module.js';
import { claimKeyCheck } from './auth/auth-version.js';
import { BOOTSTRAP_CLIENT } from './auth/registry.js';
import { type Config, ConfigError } from './config.js';
import { createHttpAdapter } from './http/http-server.js';
import { createLogger } from './http/logger.js';
import { createOpenApiDocument } from './http/openapi.js';
import { serveOpenApi } from './http/openapi-page.js';
import { deriveKeys, type Keys, keptMasterKey } from './keys.js';
import { Bulletin } from './postgres/bulletin.js';
import { createDataSource, poolOf } from './postgres/data-source.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './postgres/embedded-postgres.js';
import { HotSql } from './postgres/hot-sql.js';
import { migrate } from './postgres/migrate.js';
import { Sql } from './postgres/sql.js';

export interface RunningService {
  /** Where it listens, with the port it was given if that was 0. */
  url: string;
  /** Where clients find it. */
  rootUrl: string;
  /** The database it uses, for tools; it may hold a password. */
  databaseUrl: string;
  /** Where the credentials of the bootstrap client are, if there is one. */
  credentialsFile?: string;
  /** Something the operator should know. */
  notice?: string;
  app: NestFastifyApplication;
  /** Settles when the embedded Postgres ends by itself; the service cannot go on without it. */
  failed: Promise<string>;
  /** Finishes what is under way, then stops everything that was started. */
  close(): Promise<void>;
}

/** Starts the whole service: database, migrations, HTTP. What was started is stopped again if a later part fails. */
export async function startService(config: Config): Promise<RunningService> {
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const stop of undo.splice(0).reverse()) await stop();
  };
  try {
    const keys = deriveKeys(masterKey(config));
    const embedded = config.databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir }) : undefined;
    if (embedded) undo.push(() => embedded.stop());
    const databaseUrl = embedded?.url ?? (config.databaseUrl as string);
    const dataSource = await connect(databaseUrl);
    undo.push(() => dataSource.destroy());
    await migrate(dataSource, databaseUrl);
    const sql = new Sql(poolOf(dataSource));
    const hotSql = HotSql.on(databaseUrl);
    undo.push(() => hotSql.close());
    await assertMasterKey(sql, keys);
    const bulletin = new Bulletin(databaseUrl);
    undo.push(() => bulletin.close());
    await bulletin.open();
    const app = await createApp({ config, keys, logger: createLogger(config.logLevel), sql, hotSql, bulletin });
    undo.push(() => app.close());
    await listen(app, config);
    const url = (await app.getUrl()).replace(/\/\/(\[::1?\]|127\.0\.0\.1|0\.0\.0\.0)/, '//localhost');
    const rootUrl = config.port === 0 && config.rootUrl === 'http://localhost:0' ? url : config.rootUrl;
    const failed = embedded?.exited ?? new Promise<string>(() => {});
    return { ...described(config, keys, rootUrl, embedded), url, rootUrl, databaseUrl, app, failed, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The application without a database behind it is enough to write the contract: see `npm run generate`. */
export async function createApp(
  foundations: Foundations & { logger: ReturnType<typeof createLogger> },
  preview = false,
): Promise<NestFastifyApplication> {
  const adapter = createHttpAdapter(foundations.logger);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.on(foundations), adapter, {
    bodyParser: false,
    logger: false,
    abortOnError: false,
    preview,
  });
  serveOpenApi(app, createOpenApiDocument(app));
  return app;
}

function masterKey({ masterKey, dataDir }: Config): string {
  try {
    return masterKey ?? keptMasterKey(dataDir);
  } catch (cause) {
    const problem = (cause as Error).message;
    throw new ConfigError(`The master key in DATA_DIR cannot be used: ${problem}. Set DATA_DIR to a directory of this user's own`, {
      cause,
    });
  }
}

async function connect(databaseUrl: string): Promise<DataSource> {
  const dataSource = createDataSource(databaseUrl);
  try {
    return await dataSource.initialize();
  } catch (cause) {
    throw new ConfigError(`The database cannot be reached: ${reasonOf(cause as Error)}. Check DATABASE_URL`, { cause });
  }
}

/** A host name with several addresses fails with one error for each of them, and a message only in those. */
function reasonOf(error: Error): string {
  return error.message || ((error as AggregateError).errors ?? [error]).map(String).join(', ');
}

async function listen(app: NestFastifyApplication, { port, host }: Config): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem =
      code === 'EADDRINUSE' ? `Port ${port} of ${host} is in use` : `Nothing can listen on port ${port} of ${host} (${message})`;
    throw new ConfigError(`${problem}; set PORT (or HOST) to another one`, { cause });
  }
}

/** With another master key no stored access token could be read, and replicas would not believe one another's credentials. */
async function assertMasterKey(sql: Sql, keys: Keys): Promise<void> {
  const [row] = await sql.query(claimKeyCheck, [keys.check]);
  if (row?.keyCheck.equals(keys.check)) return;
  throw new ConfigError(
    'MASTER_KEY is not the one this database was written with; set MASTER_KEY (or DATA_DIR/master.key) to the former one',
  );
}

/** Writes what a client needs to be told into a file that only we can read, ready to be sourced by a shell. */
function described(config: Config, keys: Keys, rootUrl: string, embedded: EmbeddedPostgres | undefined) {
  const notice = embedded?.notice === undefined ? {} : { notice: embedded.notice };
  if (config.staticClients) return notice;
  const lines = {
    TASKCLUSTER_ROOT_URL: rootUrl,
    TASKCLUSTER_CLIENT_ID: BOOTSTRAP_CLIENT,
    TASKCLUSTER_ACCESS_TOKEN: keys.bootstrap,
  };
  const credentialsFile = path.join(config.dataDir, 'credentials.env');
  const unfinished = `${credentialsFile}.${process.pid}`; // renamed: never half there, and never readable for more than us
  mkdirSync(config.dataDir, { recursive: true });
  writeFileSync(
    unfinished,
    Object.entries(lines)
      .map(([name, value]) => `export ${name}=${value}\n`)
      .join(''),
    { mode: 0o600 },
  );
  renameSync(unfinished, credentialsFile);
  return { ...notice, credentialsFile };
}

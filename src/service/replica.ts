import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule, type Foundations } from './app.module.js';
import { type Config, ConfigError } from './config.js';
import type { ReplicaConfig } from './deployment.js';
import { createHttpAdapter } from './http/http-server.js';
import { createLogger } from './http/logger.js';
import { createOpenApiDocument } from './http/openapi.js';
import { serveOpenApi } from './http/openapi-page.js';
import { configuredKeys } from './keys.js';
import { Bulletin } from './postgres/bulletin.js';
import { connect, poolOf, poolSize } from './postgres/data-source.js';
import { HotSql, hotPoolSize } from './postgres/hot-sql.js';
import { Sql } from './postgres/sql.js';

/** A process, or several on one port, that serves the API. */
export interface Serving {
  /** Where it listens, with the port it was given if that was 0. */
  url: string;
  /** Finishes what is under way, then stops. */
  close(): Promise<void>;
}

/** Serves the API in this process. What was started is stopped again if a later part fails. */
export async function startReplica(config: ReplicaConfig): Promise<Serving & { app: NestFastifyApplication }> {
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const stop of undo.splice(0).reverse()) await stop();
  };
  try {
    const keys = configuredKeys(config);
    const dataSource = await connect(config.databaseUrl, poolSize(config.cluster));
    undo.push(() => dataSource.destroy());
    const hotSql = HotSql.on(config.databaseUrl, hotPoolSize(config.cluster));
    undo.push(() => hotSql.close());
    const bulletin = new Bulletin(config.databaseUrl);
    undo.push(() => bulletin.close());
    await bulletin.open();
    const logger = createLogger(config.logLevel, config.cluster > 1 ? process.pid : undefined);
    const app = await createApp({ config, keys, logger, sql: new Sql(poolOf(dataSource)), hotSql, bulletin });
    undo.push(() => app.close());
    await listen(app, config);
    const url = (await app.getUrl()).replace(/\/\/(\[::1?\]|127\.0\.0\.1|0\.0\.0\.0)/, '//localhost');
    return { url, app, close };
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

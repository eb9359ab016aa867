import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule, type Foundations } from './app.module.js';
import { type Config, cannotListen } from './config.js';
import type { ReplicaConfig } from './deployment.js';
import { createHttpAdapter, type ObserveRequest } from './http/http-server.js';
import { createLogger } from './http/logger.js';
import { createOpenApiDocument } from './http/openapi.js';
import { serveOpenApi } from './http/openapi-page.js';
import { configuredKeys } from './keys.js';
import { shareMetrics } from './metrics/cluster-metrics.js';
import type { Metrics } from './metrics/metrics-server.js';
import { ProcessMetrics } from './metrics/process-metrics.js';
import { Bulletin } from './postgres/bulletin.js';
import { connect, poolOf, poolSize } from './postgres/data-source.js';
import { HotSql, hotPoolSize } from './postgres/hot-sql.js';
import { Sql } from './postgres/sql.js';
import { ClaimDesk } from './queue/claims/claim-desk.js';
import { SIGNATURE_LABELS, SignatureCounts } from './signatures/signature-counts.js';

/** A process, or several on one port, that serves the API. */
export interface Serving {
  /** Where it listens, with the port it was given if that was 0. */
  url: string;
  /** How it is going, where METRICS_PORT is set. */
  metrics?: Metrics;
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
    const sql = new Sql(poolOf(dataSource));
    const metrics = config.metricsPort === undefined ? undefined : new ProcessMetrics();
    const app = await createApp({ config, keys, logger, sql, hotSql, bulletin }, { observe: metrics?.observe });
    undo.push(() => app.close());
    metrics?.watchPools({ ordinary: sql, shared: hotSql });
    metrics?.watch('leasehold_long_polls', 'Calls of claimWork that wait for a task', () => app.get(ClaimDesk).waiting);
    metrics?.watchCounts('leasehold_task_signatures_total', 'Signatures of tasks that were looked at', SIGNATURE_LABELS, () =>
      app.get(SignatureCounts).all(),
    );
    if (metrics && config.cluster > 1) shareMetrics(metrics.registry);
    await listen(app, config);
    const url = (await app.getUrl()).replace(/\/\/(\[::1?\]|127\.0\.0\.1|0\.0\.0\.0)/, '//localhost');
    return { url, app, close, ...(metrics && { metrics: () => metrics.registry.metrics() }) };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The application without a database behind it is enough to write the contract: see `npm run generate`. */
export async function createApp(
  foundations: Foundations & { logger: ReturnType<typeof createLogger> },
  { preview = false, observe }: { preview?: boolean; observe?: ObserveRequest | undefined } = {},
): Promise<NestFastifyApplication> {
  const adapter = createHttpAdapter(foundations.logger, observe);
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
  await app.init(); // what fails here is not about the port
  try {
    await app.listen(port, host);
  } catch (cause) {
    throw cannotListen('PORT', port, host, cause as NodeJS.ErrnoException);
  }
}

import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { startCluster } from './cluster.js';
import type { Config } from './config.js';
import { openDeployment, type ReplicaConfig } from './deployment.js';
import { DatabaseMetrics } from './metrics/database-metrics.js';
import { type MetricsServer, serveMetrics } from './metrics/metrics-server.js';
import { type Serving, startReplica } from './replica.js';

/** What runs, be it in this process or in several. */
export interface Running {
  /** Where it listens, with the port it was given if that was 0. */
  url: string;
  /** Where clients find it. */
  rootUrl: string;
  /** The database it uses, for tools; it may hold a password. */
  databaseUrl: string;
  /** Where the credentials of the bootstrap client are, if there is one. */
  credentialsFile?: string;
  /** Where metrics are, with METRICS_PORT. */
  metricsUrl?: string;
  /** Something the operator should know. */
  notice?: string;
  /** Settles when the embedded Postgres ends by itself; the service cannot go on without it. */
  failed: Promise<string>;
  /** Finishes what is under way, then stops everything that was started. */
  close(): Promise<void>;
}

/** The whole service in this process. */
export interface RunningService extends Running {
  app: NestFastifyApplication;
}

/** Starts the whole service in this process: database, migrations, HTTP. */
export function startService(config: Config): Promise<RunningService> {
  return start({ ...config, cluster: 1 }, startReplica);
}

/** The same, but this process only looks after `config.cluster` others, which serve on one port. */
export function startServiceCluster(config: Config): Promise<Running> {
  return start(config, startCluster);
}

/** What was started is stopped again if a later part fails. */
async function start<T extends Serving>(config: Config, serve: (config: ReplicaConfig) => Promise<T>): Promise<Running & T> {
  const deployment = await openDeployment(config);
  const { notice, failed } = deployment;
  let serving: T | undefined;
  let metrics: MetricsServer | undefined;
  const close = async () => {
    await serving?.close();
    await metrics?.close(); // last, so that the end can be watched
    await deployment.close();
  };
  try {
    serving = await serve(deployment.config);
    if (config.metricsPort !== undefined && serving.metrics) {
      const database = new DatabaseMetrics(deployment.sql);
      metrics = await serveMetrics(config.metricsPort, config, [serving.metrics, () => database.read()]);
    }
    const { databaseUrl } = deployment.config;
    return {
      ...serving,
      ...(metrics && { metricsUrl: metrics.url }),
      ...deployment.announce(serving.url),
      ...(notice && { notice }),
      databaseUrl,
      failed,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

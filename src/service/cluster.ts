import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { ConfigError } from './config.js';
import type { ReplicaConfig } from './deployment.js';
import { createLogger, type Logger } from './http/logger.js';
import { clusterMetrics } from './metrics/cluster-metrics.js';
import type { Serving } from './replica.js';

/** The argument that makes the program one of a cluster's replicas. */
export const REPLICA = 'replica';

/** What a replica tells the process that started it: where it listens, or why it cannot. */
export interface Report {
  ready?: string;
  refused?: string;
}

const SOONEST_MS = 100;
const LATEST_MS = 30_000;
const STABLE_MS = 60_000;

/**
 * Serves by `config.cluster` processes on one port. They end with this one, however that ends: Node ends a process of a cluster
 * whose first process is gone.
 */
export async function startCluster(config: ReplicaConfig): Promise<Serving> {
  const replicas = new Replicas(config.databaseUrl, createLogger(config.logLevel, process.pid));
  try {
    const [url] = await Promise.all(Array.from({ length: config.cluster }, () => replicas.begin()));
    replicas.keep = true;
    return { url: url as string, metrics: clusterMetrics(), close: () => replicas.close() };
  } catch (error) {
    await replicas.close();
    throw error;
  }
}

/** The processes of a cluster. A connection goes to each in turn (Node's default). */
class Replicas {
  /** Whether those that end are started anew: not before all have been ready once, for what they lack then is configuration. */
  keep = false;
  private readonly alive = new Set<Worker>();
  private readonly due = new Set<NodeJS.Timeout>();

  constructor(
    private readonly databaseUrl: string,
    private readonly log: Logger,
  ) {
    cluster.setupPrimary({ args: [REPLICA] });
    process.once('exit', () => this.kill()); // also one that is too busy to notice that we are gone
  }

  /** Starts one; resolves with where it listens, rejects with why it ended before that. `failures`: how many before it ended young. */
  begin(failures = 0): Promise<string> {
    const replica = cluster.fork({ DATABASE_URL: this.databaseUrl });
    const began = performance.now();
    let refusal: string | undefined;
    this.alive.add(replica);
    return new Promise((resolve, reject) => {
      replica.on('message', ({ ready, refused }: Report) => {
        refusal = refused;
        if (ready) resolve(ready);
      });
      const over = (how: string) => {
        if (!this.alive.delete(replica)) return;
        reject(new ConfigError(refusal ?? `One of the processes of CLUSTER did not get ready: ${how}`));
        if (this.keep) this.replace(refusal ?? how, performance.now() - began > STABLE_MS ? 0 : failures);
      };
      replica.once('exit', (code, signal) => over(`process ${replica.process.pid} ended with ${signal ?? `code ${code}`}`));
      replica.on('error', ({ message }) => replica.process.pid === undefined && over(message)); // it could not even be made
    });
  }

  /** At once, but twice as late each time that one ends within its first minute. */
  private replace(how: string, failures: number): void {
    const wait = Math.min(LATEST_MS, SOONEST_MS * 2 ** failures);
    this.log.warn({ how, wait }, 'a process of the cluster has ended; another one takes its place');
    const timer = setTimeout(() => {
      this.due.delete(timer);
      this.begin(failures + 1).catch(() => undefined); // its end was told already
    }, wait);
    this.due.add(timer);
  }

  /** Lets all finish what is under way. */
  async close(): Promise<void> {
    this.keep = false;
    for (const timer of this.due) clearTimeout(timer);
    const ended = [...this.alive].map((replica) => once(replica, 'exit'));
    for (const replica of this.alive) replica.process.kill('SIGTERM');
    await Promise.all(ended);
  }

  private kill(): void {
    for (const replica of this.alive) replica.process.kill('SIGKILL');
  }
}

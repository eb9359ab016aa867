import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Logger } from '../http/logger.js';
import { Sql } from '../postgres/sql.js';
import type { WorkerName } from './quarantine.js';
import { recordQueues } from './sql/record-queues.js';
import { recordWorkers } from './sql/record-workers.js';

interface Run {
  taskId: string;
  runId: number | null;
}

interface Sighting extends WorkerName {
  taskQueueId: string;
  runs: Run[];
}

const FLUSH_MS = 1_000;
const SEEN_AGAIN_MS = 30 * 60 * 1000;
const REMEMBERED = 50_000;
/** Workers noted and not written yet: what a process sees in some seconds. While the database hangs, writing takes up to 35 s. */
const MOST_UNWRITTEN = 10_000;
const DAY = 86_400;

/**
 * Notes which workers and queues were seen, and writes that down in batches, a second late: it is for people who watch the
 * fleet, and no claim should wait for it. A worker that only polls is noted every half an hour.
 */
@Injectable()
export class Sightings implements OnModuleDestroy {
  private readonly seen = new Map<string, number>();
  private readonly workers = new Map<string, Sighting>();
  private readonly queues = new Map<string, number>();
  private lost = 0;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
  ) {}

  /** `runs`: what it claimed just now. `keepDays`: for how long its queue is remembered at least. */
  saw(taskQueueId: string, { workerGroup, workerId }: WorkerName, runs: Run[], keepDays = 1): void {
    const key = `${taskQueueId}/${workerGroup}/${workerId}`;
    if (runs.length === 0 && Date.now() - (this.seen.get(key) ?? 0) < SEEN_AGAIN_MS) return;
    if (this.workers.size >= MOST_UNWRITTEN && !this.workers.has(key)) {
      this.lost++; // not remembered: it is noted when it is seen again
      return;
    }
    this.remember(key);
    const sighting = this.workers.get(key) ?? { taskQueueId, workerGroup, workerId, runs: [] };
    sighting.runs = [...sighting.runs, ...runs.map(({ taskId, runId }) => ({ taskId, runId }))].slice(-20);
    this.workers.set(key, sighting);
    this.queues.set(taskQueueId, Math.max(keepDays * DAY, this.queues.get(taskQueueId) ?? 0));
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** Writes down what was noted until now. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  async onModuleDestroy(): Promise<void> {
    await this.flush();
  }

  private remember(key: string): void {
    this.seen.delete(key);
    this.seen.set(key, Date.now());
    const oldest = this.seen.keys().next().value;
    if (this.seen.size > REMEMBERED && oldest !== undefined) this.seen.delete(oldest);
  }

  /** In one order on every replica, so that batches that meet wait for one another in turn. */
  private async write(): Promise<void> {
    const workers = [...this.workers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, worker]) => worker);
    const queues = [...this.queues].sort(([a], [b]) => (a < b ? -1 : 1));
    this.workers.clear();
    this.queues.clear();
    if (this.lost > 0)
      this.logger.warn({ workers: this.lost }, `more than ${MOST_UNWRITTEN} workers were seen at once; the others were not noted`);
    this.lost = 0;
    if (workers.length === 0) return;
    try {
      await this.sql.query(recordQueues, [queues.map(([id]) => id), queues.map(([, keep]) => keep)]);
      await this.sql.query(recordWorkers, [
        workers.map((worker) => worker.taskQueueId),
        workers.map((worker) => worker.workerGroup),
        workers.map((worker) => worker.workerId),
        workers.map((worker) => JSON.stringify(worker.runs)),
      ]);
    } catch (err) {
      this.logger.warn({ err, workers: workers.length }, 'sightings of workers were lost');
    }
  }
}

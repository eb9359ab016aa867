import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Logger } from '../http/logger.js';
import { LateWriter } from '../postgres/late-writer.js';
import { Sql } from '../postgres/sql.js';
import type { WorkerName } from './quarantine.js';
import { recordQueues } from './sql/record-queues.js';
import { recordWorkers } from './sql/record-workers.js';

interface Run {
  taskId: string;
  runId: number | null;
}

interface Sighting extends WorkerName {
  key: string;
  taskQueueId: string;
  runs: Run[];
  keepDays: number;
}

const FLUSH_MS = 1_000;
const SEEN_AGAIN_MS = 30 * 60 * 1000;
const REMEMBERED = 50_000;
/** Workers noted and not written yet: what a process sees in some seconds. */
const MOST_UNWRITTEN = 10_000;
const DAY = 86_400;

/**
 * Notes which workers and queues were seen, and writes that down in batches, a second late: it is for people who watch the
 * fleet, and no claim should wait for it. A worker that only polls is noted every half an hour.
 */
@Injectable()
export class Sightings implements OnModuleDestroy {
  private readonly seen = new Map<string, number>();
  /** Those that wait to be written, to add to them. */
  private readonly workers = new Map<string, Sighting>();
  private readonly writer: LateWriter<Sighting>;

  constructor(
    private readonly sql: Sql,
    logger: Logger,
  ) {
    const how = { what: 'sightings of workers', most: MOST_UNWRITTEN, everyMs: FLUSH_MS };
    this.writer = new LateWriter({ ...how, write: (sightings) => this.write(sightings) }, logger);
  }

  /** `runs`: what it claimed just now. `keepDays`: for how long its queue is remembered at least. */
  saw(taskQueueId: string, { workerGroup, workerId }: WorkerName, runs: Run[], keepDays = 1): void {
    const key = `${taskQueueId}/${workerGroup}/${workerId}`;
    if (runs.length === 0 && Date.now() - (this.seen.get(key) ?? 0) < SEEN_AGAIN_MS) return;
    const sighting = this.workers.get(key) ?? this.added({ key, taskQueueId, workerGroup, workerId, runs: [], keepDays });
    if (!sighting) return; // not remembered: it is noted when it is seen again
    this.remember(key);
    sighting.runs = [...sighting.runs, ...runs.map(({ taskId, runId }) => ({ taskId, runId }))].slice(-20);
    sighting.keepDays = Math.max(keepDays, sighting.keepDays);
  }

  /** Writes down what was noted until now. */
  flush(): Promise<void> {
    return this.writer.flush();
  }

  async onModuleDestroy(): Promise<void> {
    await this.writer.close();
  }

  private added(sighting: Sighting): Sighting | undefined {
    if (!this.writer.add(sighting)) return undefined;
    this.workers.set(sighting.key, sighting);
    return sighting;
  }

  private remember(key: string): void {
    this.seen.delete(key);
    this.seen.set(key, Date.now());
    const oldest = this.seen.keys().next().value;
    if (this.seen.size > REMEMBERED && oldest !== undefined) this.seen.delete(oldest);
  }

  /** In one order on every replica, so that batches that meet wait for one another in turn. */
  private async write(sightings: Sighting[]): Promise<void> {
    this.workers.clear();
    const workers = sightings.sort((a, b) => (a.key < b.key ? -1 : 1));
    const queues = [...keptSeconds(workers)].sort(([a], [b]) => (a < b ? -1 : 1));
    await this.sql.query(recordQueues, [queues.map(([id]) => id), queues.map(([, seconds]) => seconds)]);
    await this.sql.query(recordWorkers, [
      workers.map((worker) => worker.taskQueueId),
      workers.map((worker) => worker.workerGroup),
      workers.map((worker) => worker.workerId),
      workers.map((worker) => JSON.stringify(worker.runs)),
    ]);
  }
}

/** For how long each of their queues is remembered at least. */
function keptSeconds(sightings: readonly Sighting[]): Map<string, number> {
  const kept = new Map<string, number>();
  for (const { taskQueueId, keepDays } of sightings) kept.set(taskQueueId, Math.max(keepDays * DAY, kept.get(taskQueueId) ?? 0));
  return kept;
}

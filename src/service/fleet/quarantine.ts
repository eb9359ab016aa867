import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Bulletin } from '../postgres/bulletin.js';
import { Sql } from '../postgres/sql.js';
import { type HeldBackRow, holdBack } from './sql/hold-back.js';
import { listQuarantined } from './sql/list-quarantined.js';

export interface WorkerName {
  workerGroup: string;
  workerId: string;
}

const POLL_MS = 2_000;

/** Every process keeps them in memory. */
const MOST_HELD_BACK = 1_000;

/**
 * Who may not claim now, in memory, so that a claim costs no look at its worker. Another replica's quarantine arrives by
 * notification, at the latest by the poll every 2 s.
 */
@Injectable()
export class Quarantine implements OnApplicationBootstrap, OnModuleDestroy {
  /** By the clock that nobody sets: that of the database may be another one. */
  private until = new Map<string, number>();
  private asked = 0;
  private answered = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly bulletin: Bulletin,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.bulletin.subscribe((news) => {
      if (news.fleet || news.all) this.refresh().catch(() => undefined); // the poll tries again
    });
    this.timer = setInterval(() => this.refresh().catch(() => undefined), POLL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  holds(taskQueueId: string, { workerGroup, workerId }: WorkerName): boolean {
    if (this.until.size === 0) return false;
    return (this.until.get(`${taskQueueId}/${workerGroup}/${workerId}`) ?? 0) > performance.now();
  }

  /** The worker that holds a run whose signature was verified is given nothing of that queue for so many seconds. Undefined: it is not held back. */
  async holdBack(taskId: string, runId: number, seconds: number): Promise<HeldBackRow | undefined> {
    const [held] = await this.sql.query(holdBack, [taskId, runId, seconds, MOST_HELD_BACK]);
    if (!held) return undefined;
    this.bulletin.fleetChanged();
    await this.refresh().catch(() => undefined); // the poll tries again
    return held;
  }

  /** Looks may overtake one another: what an older one saw never replaces what a newer one did. */
  async refresh(): Promise<void> {
    const look = ++this.asked;
    const began = performance.now();
    const rows = await this.sql.query(listQuarantined);
    if (look < this.answered) return;
    this.answered = look;
    this.until = new Map(rows.map((row) => [`${row.taskQueueId}/${row.workerGroup}/${row.workerId}`, began + row.seconds * 1000]));
  }
}

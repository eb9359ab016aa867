import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Bulletin } from '../postgres/bulletin.js';
import { Sql } from '../postgres/sql.js';
import { holdBack } from './sql/hold-back.js';
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
    return (this.until.get(`${taskQueueId}/${workerGroup}/${workerId}`) ?? 0) > Date.now();
  }

  /** For so many seconds the worker is given nothing of that queue, unless a thousand others are: then it is not worth it. */
  async holdBack(taskQueueId: string, { workerGroup, workerId }: WorkerName, seconds: number): Promise<void> {
    const held = await this.sql.query(holdBack, [taskQueueId, workerGroup, workerId, seconds, MOST_HELD_BACK]);
    if (held.length === 0) return;
    this.bulletin.fleetChanged();
    await this.refresh();
  }

  /** Looks may overtake one another: what an older one saw never replaces what a newer one did. */
  async refresh(): Promise<void> {
    const look = ++this.asked;
    const rows = await this.sql.query(listQuarantined);
    if (look < this.answered) return;
    this.answered = look;
    this.until = new Map(rows.map((row) => [`${row.taskQueueId}/${row.workerGroup}/${row.workerId}`, row.until.getTime()]));
  }
}

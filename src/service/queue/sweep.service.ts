import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { CERTIFICATE_SKEW_MS } from '../../credentials/certificate.js';
import { Config } from '../config.js';
import { Logger } from '../http/logger.js';
import { type Runner, Sql, type Statement } from '../postgres/sql.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { SettleService } from './settle.service.js';
import { deleteEmptyGroups } from './sql/delete-empty-groups.js';
import { deleteExpired } from './sql/delete-expired.js';
import { failLapsed } from './sql/fail-lapsed.js';
import { failOverdue } from './sql/fail-overdue.js';
import { findUnsettled } from './sql/find-unsettled.js';
import { lockGroups } from './sql/lock-groups.js';
import { rearmDue } from './sql/rearm-due.js';
import { resolveGroups } from './sql/resolve-groups.js';
import { retryLapsed } from './sql/retry-lapsed.js';

const BATCH = 200;
const EVENTS_BATCH = 2_000;
const MOST_BATCHES = 50;
const EXPIRY_MS = 10 * 60 * 1000;

/**
 * What time does to tasks: lapsed leases, deadlines, expiry. Every replica sweeps; rows that another one holds are skipped. All
 * decisions are the statements', by the database's clock.
 */
@Injectable()
export class SweepService implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private current: Promise<void> = Promise.resolve();
  private nextExpiry = 0;

  constructor(
    private readonly sql: Sql,
    private readonly desk: ClaimDesk,
    private readonly settling: SettleService,
    private readonly config: Config,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.sweepSoon();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  /** One round, to its end. */
  async sweep(): Promise<void> {
    const { deadlineDelay } = this.config;
    await this.drain(rearmDue, [deadlineDelay, BATCH], () => undefined);
    await this.drain(retryLapsed, [deadlineDelay, BATCH], ({ taskQueueId }) => this.desk.announce(taskQueueId));
    await this.drain(failLapsed, [BATCH], (task) => this.settling.settle(task));
    await this.drain(failOverdue, [deadlineDelay, BATCH], (task) => this.settling.settle(task));
    await this.drain(findUnsettled, [BATCH], ({ taskId }) => this.settling.settle({ taskId, hasDependents: true }));
    await this.resolveGroups();
  }

  /** Forgets what has expired; 'more' if there was more than one round's worth. */
  async expire(): Promise<'done' | 'more'> {
    const outlive = this.config.credentialsGrace + CERTIFICATE_SKEW_MS / 1000;
    for (let batch = 0; batch < MOST_BATCHES && !this.stopped; batch++) {
      if ((await this.sql.transaction((runner) => forgetExpired(runner, outlive))) < BATCH) return 'done';
    }
    return 'more';
  }

  private async resolveGroups(): Promise<void> {
    for (let batch = 0; batch < MOST_BATCHES && !this.stopped; batch++) {
      const [events] = await this.sql.query(resolveGroups, [EVENTS_BATCH]);
      if ((events?.read ?? 0) < EVENTS_BATCH) return;
    }
  }

  private sweepSoon(): void {
    if (this.stopped) return;
    const wait = this.config.sweepInterval * 1000 * (0.75 + Math.random() / 2); // so that replicas do not march in step
    this.timer = setTimeout(() => {
      this.current = this.round().finally(() => this.sweepSoon());
    }, wait);
    this.timer.unref();
  }

  private async round(): Promise<void> {
    await this.attempt('sweep', () => this.sweep());
    if (Date.now() < this.nextExpiry) return;
    await this.attempt('expiry', async () => {
      const left = await this.expire();
      this.nextExpiry = left === 'done' ? Date.now() + EXPIRY_MS : 0; // with more to do the next round goes on
    });
  }

  /** What fails is tried again by the next round, and keeps nothing else from being done in this one. */
  private async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (err) {
      this.logger.warn({ err }, `${what} failed; the next round tries again`);
    }
  }

  /** Runs a statement until it finds less than a batch, and does for each row what follows. */
  private async drain<Row>(statement: Statement<Row>, parameters: unknown[], follow: (row: Row) => unknown): Promise<void> {
    for (let batch = 0; batch < MOST_BATCHES && !this.stopped; batch++) {
      const rows = await this.sql.query(statement, parameters);
      for (const row of rows) await this.attempt(statement.name, async () => void (await follow(row)));
      if (rows.length < BATCH) return;
    }
  }
}

/** A batch of tasks, and the groups that are empty then: looked at under their lock, so that nobody can join one meanwhile. */
async function forgetExpired(runner: Runner, outlive: number): Promise<number> {
  const tasks = await runner.query(deleteExpired, [BATCH, outlive]);
  const groups = [...new Set(tasks.map((task) => task.taskGroupId))];
  await runner.query(lockGroups, [groups]);
  await runner.query(deleteEmptyGroups, [groups]);
  return tasks.length;
}

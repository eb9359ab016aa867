import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CERTIFICATE_SKEW_MS } from '../../credentials/certificate.js';
import { Config } from '../config.js';
import { Logger } from '../http/logger.js';
import { BATCH, Housekeeper, type Left, leftAfter } from '../postgres/housekeeper.js';
import { type Runner, Sql, type Statement } from '../postgres/sql.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { SettleService } from './settle.service.js';
import { deleteEmptyGroups } from './sql/delete-empty-groups.js';
import { deleteExpired } from './sql/delete-expired.js';
import { failLapsed } from './sql/fail-lapsed.js';
import { failOverdue } from './sql/fail-overdue.js';
import { findDue } from './sql/find-due.js';
import { findUnsettled } from './sql/find-unsettled.js';
import { lockGroups } from './sql/lock-groups.js';
import { rearmDue } from './sql/rearm-due.js';
import { resolveGroups } from './sql/resolve-groups.js';
import { retryLapsed } from './sql/retry-lapsed.js';

const EXPIRY_EVERY = 600;
const EVENTS_BATCH = 2_000;
/** Of definitions: they may say 40 000 dependencies, which are gone in a fifth of a second. */
const BYTES_BATCH = 1024 * 1024;
/**
 * With a backlog of one kind, batches of it follow one another for so long. Each of the other statements looks through all that is due
 * to find nothing: with 100 000 lapsed leases 35 ms each, for 12 ms of work.
 */
const IN_A_ROW_MS = 500;

/**
 * What time does to tasks: lapsed leases, deadlines, expiry. Every replica sweeps; rows that another one holds are skipped. All
 * decisions are the statements', by the database's clock.
 */
@Injectable()
export class SweepService implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly desk: ClaimDesk,
    private readonly settling: SettleService,
    private readonly config: Config,
    private readonly logger: Logger,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    this.housekeeper.register({ name: 'the sweep of leases and deadlines', every: this.config.sweepInterval, batch: () => this.sweep() });
    this.housekeeper.register({ name: 'forgetting expired tasks', every: EXPIRY_EVERY, batch: () => this.expire() });
  }

  /** A batch of each kind, or some where there are many. */
  async sweep(): Promise<Left> {
    const left = [...(await this.sweepDue()), await this.resolveGroups()];
    return left.includes('more') ? 'more' : 'done';
  }

  /** One look where nothing is due, as on a quiet night, and not one for each kind. */
  private async sweepDue(): Promise<Left[]> {
    const due = await this.sql.query(findDue);
    if (due.length === 0) return [];
    const { deadlineDelay } = this.config;
    return [
      await this.batches(rearmDue, [deadlineDelay, BATCH], () => undefined),
      await this.batches(retryLapsed, [deadlineDelay, BATCH], ({ taskQueueId }) => this.desk.announce(taskQueueId)),
      await this.batches(failLapsed, [BATCH], (task) => this.settling.settle(task)),
      await this.batches(failOverdue, [deadlineDelay, BATCH], (task) => this.settling.settle(task)),
      await this.batches(findUnsettled, [BATCH], ({ taskId }) => this.settling.settle({ taskId, hasDependents: true })),
    ];
  }

  /** Forgets a batch of what has expired. */
  async expire(): Promise<Left> {
    const outlive = this.config.credentialsGrace + CERTIFICATE_SKEW_MS / 1000;
    return this.sql.transaction((runner) => forgetExpired(runner, outlive));
  }

  private async resolveGroups(): Promise<Left> {
    const [events] = await this.sql.query(resolveGroups, [EVENTS_BATCH]);
    return leftAfter(events?.read ?? 0, EVENTS_BATCH);
  }

  private async batches<Row>(statement: Statement<Row>, parameters: unknown[], follow: (row: Row) => unknown): Promise<Left> {
    const end = performance.now() + IN_A_ROW_MS;
    for (;;) {
      const left = await this.batch(statement, parameters, follow);
      if (left === 'done' || performance.now() > end) return left;
    }
  }

  /** Runs a statement, and does for each row what follows. What fails there is tried again, and keeps no other row waiting. */
  private async batch<Row>(statement: Statement<Row>, parameters: unknown[], follow: (row: Row) => unknown): Promise<Left> {
    const rows = await this.sql.query(statement, parameters);
    for (const row of rows) {
      try {
        await follow(row);
      } catch (err) {
        this.logger.warn({ err }, `${statement.name}: what follows failed; the next sweep tries again`);
      }
    }
    return leftAfter(rows.length);
  }
}

/** A batch of tasks, and the groups that are empty then: looked at under their lock, so that nobody can join one meanwhile. */
async function forgetExpired(runner: Runner, outlive: number): Promise<Left> {
  const tasks = await runner.query(deleteExpired, [BATCH, outlive, BYTES_BATCH]);
  const groups = [...new Set(tasks.map((task) => task.taskGroupId))];
  await runner.query(lockGroups, [groups]);
  await runner.query(deleteEmptyGroups, [groups]);
  const found = tasks[0]?.found ?? 0;
  return tasks.length < found ? 'more' : leftAfter(found);
}

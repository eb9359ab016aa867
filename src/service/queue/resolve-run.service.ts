import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';
import { Sql } from '../postgres/sql.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { FindTask } from './find-task.service.js';
import { refusalOf } from './refusal.js';
import { type End, RunReports } from './run-reports.js';
import { RETRIED, type ReasonResolved, type WorkerReason } from './run-state.js';
import { SettleService } from './settle.service.js';
import { retryRun } from './sql/retry-run.js';
import type { TaskRow } from './sql/task-columns.js';
import type { TaskStatusResponse } from './task.dto.js';
import { statusOf } from './task-status.js';

@Injectable()
export class ResolveRunService {
  constructor(
    private readonly sql: Sql,
    private readonly reports: RunReports,
    private readonly tasks: FindTask,
    private readonly desk: ClaimDesk,
    private readonly settling: SettleService,
    private readonly config: Config,
  ) {}

  /** Ends a run that is still held. Repeated with the same outcome, answers 200 again; with another, 409. */
  async resolve(taskId: string, runId: number, state: End['state'], reason: ReasonResolved): Promise<TaskStatusResponse> {
    const task = await this.reports.ended(taskId, runId, { state, reason });
    if (!task) return this.explain(taskId, runId, state, reason);
    await this.settling.settle(task);
    return { status: statusOf(task) };
  }

  /** Ends a run as an exception; if the reason is retried and a retry is left, the next run is pending at once. */
  async exception(taskId: string, runId: number, reason: WorkerReason): Promise<TaskStatusResponse> {
    const again = RETRIED[reason];
    if (again) {
      const [retried] = await this.sql.query(retryRun, [taskId, runId, reason, again, this.config.deadlineDelay]);
      if (retried) {
        this.desk.announce(retried.taskQueueId);
        return { status: statusOf(await this.tasks.get(taskId)) };
      }
    }
    return this.resolve(taskId, runId, 'exception', reason);
  }

  private async explain(taskId: string, runId: number, state: string, reason: string): Promise<TaskStatusResponse> {
    const task = await this.tasks.get(taskId);
    const run = runOf(task, runId);
    if (run?.state === state && run.reasonResolved === reason) return { status: statusOf(task) };
    throw refusalOf(task, runId, 'resolved');
  }
}

function runOf(task: TaskRow, runId: number): { state: string; reasonResolved: string | null } | undefined {
  return task.runId === runId ? task : task.pastRuns?.find((run) => run.runId === runId);
}

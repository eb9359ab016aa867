import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';
import { HotSql } from '../postgres/hot-sql.js';
import { Sql } from '../postgres/sql.js';
import { Lane } from './lane.js';
import type { ReasonResolved } from './run-state.js';
import { extendClaim } from './sql/extend-claim.js';
import type { GrantRow } from './sql/grant-columns.js';
import { reportRuns } from './sql/report-runs.js';
import { resolveRun } from './sql/resolve-run.js';
import type { TaskRow } from './sql/task-columns.js';

/** How a worker says that a run ended. */
export interface End {
  state: 'completed' | 'failed' | 'exception';
  reason: ReasonResolved;
}

interface Report {
  taskId: string;
  runId: number;
  /** Absent: it goes on. */
  end?: End;
  /** Who asks for it to go on. */
  actor?: string | undefined;
}

type Reported = TaskRow & { [Column in keyof GrantRow]?: GrantRow[Column] | null };

/**
 * What workers say of the runs that they hold. One lane for both kinds: with eight workers, one for each took 1.5 statements a cycle
 * with its claim, and this takes 1.1; each wakes a process of Postgres, and then ours.
 */
@Injectable()
export class RunReports {
  private readonly lane = new Lane<Report, Reported>({
    together: (reports) => {
      const of = <T>(read: (report: Report) => T) => reports.map(read);
      return this.hot.query(reportRuns, [
        of(({ taskId }) => taskId),
        of(({ runId }) => runId),
        of(({ end }) => end?.state ?? 'running'),
        of(({ end }) => end?.reason ?? null),
        this.config.claimTimeout,
        of(({ actor }) => actor ?? null),
      ]);
    },
    alone: async (report) => (await this.askAbout(report))[0],
  });

  constructor(
    private readonly sql: Sql,
    private readonly hot: HotSql,
    private readonly config: Config,
  ) {}

  /** Extends the lease; the task with what decides about its scopes, or nothing if the run is not held any more. */
  async goesOn(taskId: string, runId: number, actor: string | undefined): Promise<(TaskRow & GrantRow) | undefined> {
    return (await this.lane.ask({ taskId, runId, actor })) as (TaskRow & GrantRow) | undefined; // a run that goes on has it
  }

  /** Ends the run; the task as it is then, or nothing if the run was not held any more. */
  ended(taskId: string, runId: number, end: End): Promise<TaskRow | undefined> {
    return this.lane.ask({ taskId, runId, end });
  }

  private askAbout({ taskId, runId, end, actor }: Report): Promise<Reported[]> {
    if (end) return this.sql.query(resolveRun, [taskId, runId, end.state, end.reason, null]);
    return this.sql.query(extendClaim, [taskId, runId, this.config.claimTimeout, actor]);
  }
}

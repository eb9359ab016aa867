import { PRIORITIES } from '../../../src/service/queue/priority.js';
import { claimRuns } from '../../../src/service/queue/sql/claim-runs.js';
import { extendClaim } from '../../../src/service/queue/sql/extend-claim.js';
import { resolveRun } from '../../../src/service/queue/sql/resolve-run.js';
import type { Driver, Held } from './driver.js';
import { SqlWorkers } from './sql-workers.js';

const LEASE_SECONDS = 1200;
const DEADLINE_DELAY_SECONDS = 60;

/** Those of HotSql but for its lock_timeout: these statements may wait. Without them a claim is planned anew each time, at twice the CPU. */
const SETTINGS = `set plan_cache_mode = 'force_generic_plan'; set enable_seqscan = off; set jit = off`;

/** The service's own statements, one a call, without the service: what events and the rest of a task's row cost over the floor. */
export class StatementsDriver implements Driver {
  private constructor(
    private readonly sql: SqlWorkers,
    private readonly taskQueueId: string,
  ) {}

  static async connect(url: string, taskQueueId: string, workers: number): Promise<StatementsDriver> {
    const sql = await SqlWorkers.connect(url, workers);
    await sql.everywhere(SETTINGS);
    return new StatementsDriver(sql, taskQueueId);
  }

  /** Tasks are created through the service. */
  create(): Promise<void> {
    return Promise.reject(new Error('not measured'));
  }

  async claim(worker: number, wanted: number): Promise<Held[]> {
    const each = <T>(value: T) => Array<T>(wanted).fill(value);
    const places = [each('bench'), each(`w${worker}`), each(null), wanted];
    const rest = [PRIORITIES.map(() => '-infinity'), PRIORITIES.map(() => ''), each('bench')];
    const rows = await this.sql.query(worker, claimRuns, [this.taskQueueId, ...places, LEASE_SECONDS, DEADLINE_DELAY_SECONDS, ...rest]);
    return rows.map(({ taskId, runId }) => ({ taskId, runId: runId ?? 0 }));
  }

  async reclaim(worker: number, held: Held): Promise<Held> {
    const rows = await this.sql.query(worker, extendClaim, [held.taskId, held.runId, LEASE_SECONDS, 'bench']);
    if (rows.length === 0) throw new Error('the reclaim found no lease');
    return held;
  }

  async complete(worker: number, held: Held): Promise<void> {
    const rows = await this.sql.query(worker, resolveRun, [held.taskId, held.runId, 'completed', 'completed', null]);
    if (rows.length === 0) throw new Error('the report found no lease');
  }

  close(): Promise<void> {
    return this.sql.close();
  }
}

import { Injectable } from '@nestjs/common';
import { Config } from '../../config.js';
import { Sightings } from '../../fleet/sightings.js';
import { HotSql } from '../../postgres/hot-sql.js';
import { Sql } from '../../postgres/sql.js';
import { FindTask } from '../find-task.service.js';
import { Lane } from '../lane.js';
import { refusalOf } from '../refusal.js';
import { extendClaim } from '../sql/extend-claim.js';
import { extendClaims } from '../sql/extend-claims.js';
import type { TaskRow } from '../sql/task-columns.js';
import type { TaskReclaim } from '../task.dto.js';
import { LendCredentials } from './lend-credentials.js';

@Injectable()
export class ReclaimTaskService {
  private readonly lane = new Lane<{ taskId: string; runId: number }, TaskRow & { scopes: string[] }>({
    together: (asked) => {
      const [taskIds, runIds] = [asked.map(({ taskId }) => taskId), asked.map(({ runId }) => runId)];
      return this.hot.query(extendClaims, [taskIds, runIds, this.config.claimTimeout]);
    },
    alone: async ({ taskId, runId }) => {
      const [row] = await this.sql.query(extendClaim, [taskId, runId, this.config.claimTimeout]);
      return row;
    },
  });

  constructor(
    private readonly sql: Sql,
    private readonly hot: HotSql,
    private readonly tasks: FindTask,
    private readonly credentials: LendCredentials,
    private readonly sightings: Sightings,
    private readonly config: Config,
  ) {}

  /** Extends the lease and lends fresh credentials. Explaining a refusal is paid for by the refusal. */
  async reclaimTask(taskId: string, runId: number): Promise<TaskReclaim> {
    const row = await this.lane.ask({ taskId, runId });
    if (!row) throw refusalOf(await this.tasks.get(taskId), runId, 'reclaimed');
    const { taskQueueId, workerGroup, workerId } = row;
    if (workerGroup !== null && workerId !== null) this.sightings.saw(taskQueueId, { workerGroup, workerId }, []);
    return this.credentials.lend(row);
  }
}

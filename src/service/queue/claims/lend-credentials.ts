import { Injectable } from '@nestjs/common';
import { LentCredentials } from '../../../credentials/lent-credentials.js';
import { mintRunCredentials } from '../../../credentials/mint.js';
import { QUEUE_ISSUER } from '../../../credentials/run-grant.js';
import { Config } from '../../config.js';
import { Keys } from '../../keys.js';
import type { TaskReclaim } from '../task.dto.js';
import { statusOf } from '../task-status.js';
import { type LeasedRun, RederiveScopes } from './rederive-scopes.js';

/** What a worker is told of a run it holds, with fresh credentials of just that run. */
@Injectable()
export class LendCredentials {
  constructor(
    private readonly config: Config,
    private readonly keys: Keys,
    private readonly lent: LentCredentials,
    private readonly rederive: RederiveScopes,
  ) {}

  /** Not more than what its creator still holds of task.scopes. */
  async lend(row: LeasedRun): Promise<TaskReclaim> {
    const { taskId, runId, workerGroup, workerId, takenUntil, fence } = row;
    if (runId === null || workerGroup === null || workerId === null || takenUntil === null) throw new Error(`task ${taskId} is not held`);
    const taskScopes = await this.rederive.of(row);
    const run = { taskId, runId, workerGroup, workerId, takenUntil, taskScopes, definedScopes: row.definedScopes };
    const issuer = { clientId: QUEUE_ISSUER, accessToken: this.keys.issuer };
    return {
      status: statusOf(row),
      runId,
      workerGroup,
      workerId,
      takenUntil: takenUntil.toISOString(),
      fence,
      credentials: mintRunCredentials(run, issuer, Date.now(), this.config.credentialsGrace * 1000, this.lent),
    };
  }
}

import { Injectable } from '@nestjs/common';
import { Config } from '../../config.js';
import { Quarantine } from '../../fleet/quarantine.js';
import { Sightings } from '../../fleet/sightings.js';
import { ApiError } from '../../http/api-error.js';
import type { Caller } from '../../http/caller.js';
import { Sql } from '../../postgres/sql.js';
import { SignaturePolicies } from '../../signatures/signature-policies.js';
import { FindTask } from '../find-task.service.js';
import { refusalOf } from '../refusal.js';
import { claimRun } from '../sql/claim-run.js';
import type { ClaimTaskRequest, TaskClaim } from '../task.dto.js';
import { LendCredentials } from './lend-credentials.js';
import { taskClaim } from './task-claim.js';

export const CLAIM_TASK_SCOPES = { AllOf: ['queue:claim-task:<taskQueueId>', 'queue:worker-id:<workerGroup>/<workerId>'] };

@Injectable()
export class ClaimTaskService {
  constructor(
    private readonly sql: Sql,
    private readonly tasks: FindTask,
    private readonly credentials: LendCredentials,
    private readonly quarantine: Quarantine,
    private readonly sightings: Sightings,
    private readonly policies: SignaturePolicies,
    private readonly config: Config,
  ) {}

  /** Claims one named run. Repeated by the worker that holds it, answers the same lease with fresh credentials. */
  async claimTask(taskId: string, runId: number, request: ClaimTaskRequest, caller: Caller): Promise<TaskClaim> {
    const { workerGroup, workerId } = request;
    const task = await this.tasks.authorized(taskId, caller, CLAIM_TASK_SCOPES, { workerGroup, workerId });
    if (this.quarantine.holds(task.taskQueueId, { workerGroup, workerId })) {
      throw new ApiError(
        'RequestConflict',
        `Worker ${workerGroup}/${workerId} is quarantined, or held back since it did not know a key, and may not claim now`,
      );
    }
    const { claimTimeout, deadlineDelay } = this.config;
    const claim = [taskId, runId, workerGroup, workerId, claimTimeout, deadlineDelay, caller.clientId];
    let [row] = await this.sql.query(claimRun, claim);
    // a second try finds the lease that the worker won by another call while this one waited
    if (!row) [row] = await this.sql.query(claimRun, claim);
    if (!row) throw refusalOf((await this.tasks.find(taskId)) ?? task, runId, 'claimed');
    this.sightings.saw(task.taskQueueId, { workerGroup, workerId }, [{ taskId, runId }], 5);
    return taskClaim(await this.credentials.lend(row), row, this.policies.of(row.taskQueueId).policy);
  }
}

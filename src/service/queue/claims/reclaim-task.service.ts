import { Injectable } from '@nestjs/common';
import { Sightings } from '../../fleet/sightings.js';
import type { Caller } from '../../http/caller.js';
import { FindTask } from '../find-task.service.js';
import { refusalOf } from '../refusal.js';
import { RunReports } from '../run-reports.js';
import type { TaskReclaim } from '../task.dto.js';
import { LendCredentials } from './lend-credentials.js';
import { RederiveScopes } from './rederive-scopes.js';

@Injectable()
export class ReclaimTaskService {
  constructor(
    private readonly reports: RunReports,
    private readonly tasks: FindTask,
    private readonly credentials: LendCredentials,
    private readonly rederive: RederiveScopes,
    private readonly sightings: Sightings,
  ) {}

  /** Extends the lease, once the run has no more than it may, and lends fresh credentials. Explaining a refusal is paid for by the refusal. */
  async reclaimTask(taskId: string, runId: number, { clientId }: Caller): Promise<TaskReclaim> {
    await this.rederive.ofHeld(taskId, runId);
    const row = await this.reports.goesOn(taskId, runId, clientId);
    if (!row) throw refusalOf(await this.tasks.get(taskId), runId, 'reclaimed');
    const { taskQueueId, workerGroup, workerId } = row;
    if (workerGroup !== null && workerId !== null) this.sightings.saw(taskQueueId, { workerGroup, workerId }, []);
    return await this.credentials.lend(row);
  }
}

import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config.js';
import { Sightings } from '../../fleet/sightings.js';
import type { ClaimWorkRequest, ClaimWorkResponse } from '../task.dto.js';
import { withRank } from '../task-definition.js';
import { ClaimDesk } from './claim-desk.js';
import { LendCredentials } from './lend-credentials.js';

@Injectable()
export class ClaimWorkService {
  constructor(
    private readonly desk: ClaimDesk,
    private readonly credentials: LendCredentials,
    private readonly sightings: Sightings,
    private readonly config: Config,
  ) {}

  /** Answers as soon as there is any work, or with none when the poll ends or the caller hangs up. */
  async claimWork(
    taskQueueId: string,
    request: ClaimWorkRequest,
    idempotencyKey: string | undefined,
    hungUp: AbortSignal,
  ): Promise<ClaimWorkResponse> {
    const { tasks, ...worker } = request;
    const key = idempotencyKey === undefined ? undefined : claimKey(taskQueueId, worker.workerGroup, worker.workerId, idempotencyKey);
    const rows = await this.desk.claim(taskQueueId, worker, tasks, key, this.config.claimPoll * 1000, hungUp);
    this.sightings.saw(taskQueueId, worker, rows);
    return { tasks: rows.map((row) => ({ ...this.credentials.lend(row), task: withRank(row.definition, row.rank) })) };
  }
}

/** A key belongs to one worker on one queue, however many tasks it asks for. None of the parts can hold a line feed but the last. */
function claimKey(...parts: string[]): Buffer {
  return createHash('sha256').update(parts.join('\n')).digest();
}

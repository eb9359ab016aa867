import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config.js';
import { Sightings } from '../../fleet/sightings.js';
import type { Caller } from '../../http/caller.js';
import { Quota } from '../../http/quota.js';
import type { ClaimWorkRequest, ClaimWorkResponse, TaskClaim } from '../task.dto.js';
import { withRank } from '../task-definition.js';
import { ClaimDesk } from './claim-desk.js';
import { LendCredentials } from './lend-credentials.js';

/**
 * Who waits costs 12 kB, connection included, and up to 30 kB with headers as long as they may be. Beyond that who asks is refused
 * whether there is work or not: of 5 000 polls of 20 s one ends every 4 ms, so who comes again finds a place.
 */
const MOST_POLLS = { all: 5_000, client: 2_500, strangers: 500 };

@Injectable()
export class ClaimWorkService {
  private readonly places = new Quota('calls of claimWork', MOST_POLLS);

  constructor(
    private readonly desk: ClaimDesk,
    private readonly credentials: LendCredentials,
    private readonly sightings: Sightings,
    private readonly config: Config,
  ) {}

  /** Answers as soon as there is any work, or with none when the poll ends or the caller hangs up. Throws ServiceUnavailable. */
  async claimWork(
    taskQueueId: string,
    request: ClaimWorkRequest,
    idempotencyKey: string | undefined,
    answer: ServerResponse,
    caller: Caller,
  ): Promise<ClaimWorkResponse> {
    const { tasks, ...worker } = request;
    const key = idempotencyKey === undefined ? undefined : claimKey(taskQueueId, worker.workerGroup, worker.workerId, idempotencyKey);
    const leave = this.places.take(caller.account);
    const wish = { worker, wanted: tasks, key, actor: caller.clientId };
    const claim = this.desk.claim(taskQueueId, wish, this.config.claimPoll * 1000, answer);
    const rows = await claim.finally(leave);
    this.sightings.saw(taskQueueId, worker, rows);
    const claims: TaskClaim[] = [];
    for (const row of rows) claims.push({ ...(await this.credentials.lend(row)), task: withRank(row.definition, row.rank) });
    return { tasks: claims };
  }
}

/** A key belongs to one worker on one queue, however many tasks it asks for. None of the parts can hold a line feed but the last. */
function claimKey(...parts: string[]): Buffer {
  return createHash('sha256').update(parts.join('\n')).digest();
}

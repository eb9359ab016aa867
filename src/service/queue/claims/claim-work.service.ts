import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config.js';
import { Sightings } from '../../fleet/sightings.js';
import type { Caller } from '../../http/caller.js';
import { Logger } from '../../http/logger.js';
import { Quota } from '../../http/quota.js';
import { SignaturePolicies } from '../../signatures/signature-policies.js';
import type { ClaimedRow } from '../sql/claim-runs.js';
import type { ClaimWorkRequest, ClaimWorkResponse, TaskClaim } from '../task.dto.js';
import { ClaimDesk } from './claim-desk.js';
import { LendCredentials } from './lend-credentials.js';
import { taskClaim } from './task-claim.js';

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
    private readonly policies: SignaturePolicies,
    private readonly config: Config,
    private readonly log: Logger,
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
    return { tasks: await this.lendAll(rows) };
  }

  /**
   * A run that cannot be lent, because what its creator lost could not be taken from it, is left out: of the others somebody is to hear.
   * It is as if its answer was lost: the same key finds it again, or else its lease lapses. To give it back at once would hand it out
   * and take it back without end. Throws if that is so of all.
   */
  private async lendAll(rows: ClaimedRow[]): Promise<TaskClaim[]> {
    const lent = await Promise.allSettled(rows.map((row) => this.lend(row)));
    const refused = lent.flatMap((one, index) => (one.status === 'rejected' ? [{ err: one.reason, taskId: rows[index]?.taskId }] : []));
    if (refused.length > 0 && refused.length === rows.length) throw refused[0]?.err;
    for (const one of refused) this.log.warn(one, 'a run was leased, but could not be lent; it is left out of the answer');
    return lent.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  private async lend(row: ClaimedRow): Promise<TaskClaim> {
    return taskClaim(await this.credentials.lend(row), row, this.policies.of(row.taskQueueId).policy);
  }
}

/** A key belongs to one worker on one queue, however many tasks it asks for. None of the parts can hold a line feed but the last. */
function claimKey(...parts: string[]): Buffer {
  return createHash('sha256').update(parts.join('\n')).digest();
}

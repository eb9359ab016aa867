import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';
import { Quarantine } from '../fleet/quarantine.js';
import { ApiError } from '../http/api-error.js';
import { Logger } from '../http/logger.js';
import { Sql } from '../postgres/sql.js';
import { SignatureCounts } from '../signatures/signature-counts.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { FindTask } from './find-task.service.js';
import { refusalOf } from './refusal.js';
import { type End, RunReports } from './run-reports.js';
import { RETRIED, type ReasonResolved, type WorkerReason } from './run-state.js';
import { SettleService } from './settle.service.js';
import type { SignatureRefusal } from './signature.dto.js';
import type { FoundSignature } from './signature-verdict.js';
import { resolveRun } from './sql/resolve-run.js';
import { retryRun } from './sql/retry-run.js';
import type { TaskExceptionRequest, TaskStatusResponse } from './task.dto.js';
import { runIn, statusOf } from './task-status.js';

/** Runs of a task that may end because the worker does not know the key: it may be on its way to others. */
const MOST_UNKNOWN = 3;

/** Seconds for which a worker that did not know a key is given nothing of that queue, so that another one is. */
const HELD_BACK = 30;

/** Seconds after which every replica knows that: it asks every 2 s, if no notification has come. */
const UNTIL_KNOWN = 3;

@Injectable()
export class ResolveRunService {
  constructor(
    private readonly sql: Sql,
    private readonly reports: RunReports,
    private readonly tasks: FindTask,
    private readonly desk: ClaimDesk,
    private readonly settling: SettleService,
    private readonly quarantine: Quarantine,
    private readonly counts: SignatureCounts,
    private readonly config: Config,
    private readonly log: Logger,
  ) {}

  /** Ends a run that is still held. Repeated with the same outcome, answers 200 again; with another, 409. */
  async resolve(taskId: string, runId: number, state: End['state'], reason: ReasonResolved): Promise<TaskStatusResponse> {
    const task = await this.reports.ended(taskId, runId, { state, reason });
    if (!task) return this.explain(taskId, runId, state, reason);
    await this.settling.settle(task);
    return { status: statusOf(task) };
  }

  /** Ends a run as an exception; if the reason is retried and a retry is left, the next run is pending at once. */
  async exception(taskId: string, runId: number, { reason, signature }: TaskExceptionRequest): Promise<TaskStatusResponse> {
    const verdict = refusedBy(reason, signature);
    if (isUnknownKey(verdict)) await this.leaveToOthers(taskId, runId, verdict);
    const again = RETRIED[reason] ?? (isUnknownKey(verdict) ? 'retry' : undefined);
    if (again) {
      const found = verdict ? [JSON.stringify(verdict), MOST_UNKNOWN, UNTIL_KNOWN] : [null, null, null];
      const [retried] = await this.sql.query(retryRun, [taskId, runId, reason, again, this.config.deadlineDelay, ...found]);
      if (retried) {
        if (verdict) this.count(retried.taskQueueId, verdict);
        this.desk.announce(retried.taskQueueId);
        return { status: statusOf(await this.tasks.get(taskId)) };
      }
    }
    return verdict ? this.refuse(taskId, runId, reason, verdict) : this.resolve(taskId, runId, 'exception', reason);
  }

  /**
   * Only where we know the key is it the worker that lacks it: whoever creates tasks could name one that nobody has, and idle a whole fleet.
   * Before the run ends, and whether or not it is tried again: otherwise the worker could be given the next task at once, and end that, too.
   */
  private async leaveToOthers(taskId: string, runId: number, { kid }: FoundSignature): Promise<void> {
    const worker = await this.quarantine.holdBack(taskId, runId, HELD_BACK);
    if (worker)
      this.log.warn({ ...worker, kid }, 'a worker does not know the key of a signature; it is given nothing of the queue for 30 s');
  }

  private count(taskQueueId: string, { kid }: FoundSignature): void {
    this.counts.count({ taskQueueId, by: 'worker', verdict: 'refused', kid });
  }

  /** Alone: what a worker refuses to run is rare, and others who share a statement need not carry its verdict. */
  private async refuse(taskId: string, runId: number, reason: WorkerReason, verdict: FoundSignature): Promise<TaskStatusResponse> {
    const [task] = await this.sql.query(resolveRun, [taskId, runId, 'exception', reason, JSON.stringify(verdict)]);
    if (!task) return this.explain(taskId, runId, 'exception', reason);
    this.count(task.taskQueueId, verdict);
    await this.settling.settle(task);
    return { status: statusOf(task) };
  }

  private async explain(taskId: string, runId: number, state: string, reason: string): Promise<TaskStatusResponse> {
    const task = await this.tasks.get(taskId);
    const run = runIn(task, runId);
    if (run?.state === state && run.reasonResolved === reason) return { status: statusOf(task) };
    throw refusalOf(task, runId, 'resolved');
  }
}

function isUnknownKey(verdict: FoundSignature | undefined): verdict is FoundSignature {
  return verdict?.code === 'signature-unknown-key';
}

/** What the worker found of the signature, where that is why it does not run the task. Throws InputError. */
function refusedBy(reason: WorkerReason, signature: SignatureRefusal | undefined): FoundSignature | undefined {
  const isMissing = reason === 'signature-missing';
  if (!isMissing && reason !== 'signature-invalid') {
    if (signature)
      throw new ApiError('InputError', `\`signature\` explains signature-missing and signature-invalid, not ${reason}; leave it out`);
    return undefined;
  }
  const code = signature?.code ?? (isMissing ? 'signature-missing' : undefined);
  if (code === undefined) throw new ApiError('InputError', 'signature-invalid needs `signature`, whose code tells what is wrong');
  if (isMissing !== (code === 'signature-missing'))
    throw new ApiError('InputError', `The reason ${reason} does not go with signature.code ${code}; send the one that does`);
  return { verdict: 'failed', ...signature, code };
}

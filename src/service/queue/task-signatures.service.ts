import { Injectable } from '@nestjs/common';
import { canonicalJson } from '../../signatures/canonical-json.js';
import { ApiError } from '../http/api-error.js';
import { Sql } from '../postgres/sql.js';
import { SignatureCounts } from '../signatures/signature-counts.js';
import { FindTask } from './find-task.service.js';
import { refusalOf } from './refusal.js';
import type { TaskSignatureResponse } from './signature.dto.js';
import { countedAs, type FoundSignature } from './signature-verdict.js';
import { findSignature } from './sql/find-signature.js';
import { reportSignature } from './sql/report-signature.js';
import type { TaskRow } from './sql/task-columns.js';
import type { TaskStatusResponse } from './task.dto.js';
import { runIn, statusOf } from './task-status.js';

/** The signatures of tasks, and what workers say of them. */
@Injectable()
export class TaskSignatures {
  constructor(
    private readonly sql: Sql,
    private readonly tasks: FindTask,
    private readonly counts: SignatureCounts,
  ) {}

  /** As it was created: whoever doubts what the queue tells of it verifies it anew. */
  async of(taskId: string): Promise<TaskSignatureResponse> {
    const [found] = await this.sql.query(findSignature, [taskId]);
    if (!found) await this.tasks.get(taskId); // throws
    if (!found?.jws) throw new ApiError('ResourceNotFound', `Task ${taskId} was created without a signature`);
    return { signature: found.jws };
  }

  /** What the worker found before it began. Once for each run: the same again answers 200, another one 409. */
  async report(taskId: string, runId: number, verdict: FoundSignature): Promise<TaskStatusResponse> {
    assertWhole(verdict);
    const [task] = await this.sql.query(reportSignature, [taskId, runId, JSON.stringify(verdict)]);
    if (!task) return this.explain(await this.tasks.get(taskId), runId, verdict);
    const counted = countedAs(verdict);
    if (counted) this.counts.count({ taskQueueId: task.taskQueueId, by: 'worker', verdict: counted, kid: verdict.kid });
    return { status: statusOf(task) };
  }

  private explain(task: TaskRow, runId: number, verdict: FoundSignature): TaskStatusResponse {
    const known = runIn(task, runId)?.runSignature;
    if (!known) throw refusalOf(task, runId, 'reported on');
    if (canonicalJson(known) === canonicalJson({ ...verdict })) return { status: statusOf(task) };
    throw new ApiError(
      'RequestConflict',
      `What was found of the signature in run ${runId} of task ${task.taskId} was reported otherwise before`,
    );
  }
}

function assertWhole({ verdict, code, kid, payloadDigest }: FoundSignature): void {
  if (verdict === 'verified' && (kid === undefined || payloadDigest === undefined))
    throw new ApiError('InputError', 'A signature was verified by a key, over something: send kid and payloadDigest');
  if (verdict === 'failed' && code === undefined) throw new ApiError('InputError', 'A verdict `failed` needs a code');
  if (verdict !== 'failed' && code !== undefined) throw new ApiError('InputError', 'Only a verdict `failed` has a code; leave it out');
}

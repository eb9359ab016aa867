import { Controller, Headers, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiError } from '../http/api-error.js';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { ApiRequest } from '../http/caller.guard.js';
import type { Caller } from '../http/caller.js';
import { RUN_ID, SLUGID, TASK_QUEUE_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { OwnRun, RequireScopes, Waits } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { CLAIM_TASK_SCOPES, ClaimTaskService } from './claims/claim-task.service.js';
import { ClaimWorkService } from './claims/claim-work.service.js';
import { ReclaimTaskService } from './claims/reclaim-task.service.js';
import { ResolveRunService } from './resolve-run.service.js';
import { SignatureVerdict } from './signature.dto.js';
import {
  ClaimTaskRequest,
  ClaimWorkRequest,
  ClaimWorkResponse,
  TaskClaim,
  TaskExceptionRequest,
  TaskReclaim,
  TaskStatusResponse,
} from './task.dto.js';
import { TaskSignatures } from './task-signatures.service.js';

const TaskId = () => UrlParam('taskId', SLUGID);
const RunId = () => UrlParam('runId', RUN_ID);

const CLAIM_WORK_SCOPES = { AllOf: ['queue:claim-work:<taskQueueId>', 'queue:worker-id:<workerGroup>/<workerId>'] };
const GONE_OR_CHANGED = ['ResourceNotFound', 'RequestConflict'] as const;

/** What workers do: claim runs, extend their leases, report on them. */
@ApiTags('queue: workers')
@Controller('api/queue/v1')
export class RunsController {
  constructor(
    private readonly claimingWork: ClaimWorkService,
    private readonly claimingTask: ClaimTaskService,
    private readonly reclaiming: ReclaimTaskService,
    private readonly resolving: ResolveRunService,
    private readonly signatures: TaskSignatures,
  ) {}

  @Post('claim-work/:taskQueueId')
  @Waits()
  @RequireScopes(CLAIM_WORK_SCOPES)
  @ApiHeader({
    name: 'idempotency-key',
    required: false,
    description: 'Repeating a call with the same key answers the same claims while their leases live: for when an answer was lost',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  })
  @Operation({
    summary: 'Claim tasks, waiting for them a while',
    description: 'Answers as soon as there is any task, with none after CLAIM_POLL. Each claim lends the credentials of just its run.',
    response: ClaimWorkResponse,
    errors: ['InputValidationError'],
  })
  claimWork(
    @CallerOf() caller: Caller,
    @UrlParam('taskQueueId', TASK_QUEUE_ID) taskQueueId: string,
    @Payload() request: ClaimWorkRequest,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ClaimWorkResponse> {
    const { workerGroup, workerId } = request;
    caller.require(CLAIM_WORK_SCOPES, { taskQueueId, workerGroup, workerId });
    refuseOwnWorker(caller, request);
    if (idempotencyKey !== undefined && (idempotencyKey === '' || idempotencyKey.length > 255)) {
      throw new ApiError('InvalidRequestArguments', 'The Idempotency-Key header must have 1 to 255 characters');
    }
    return this.claimingWork.claimWork(taskQueueId, request, idempotencyKey, reply.raw, caller);
  }

  @Post('task/:taskId/runs/:runId/claim')
  @RequireScopes(CLAIM_TASK_SCOPES)
  @Operation({
    summary: 'Claim one named run',
    stability: 'deprecated',
    response: TaskClaim,
    errors: ['InputValidationError', ...GONE_OR_CHANGED],
  })
  claimTask(
    @CallerOf() caller: Caller,
    @TaskId() taskId: string,
    @RunId() runId: string,
    @Payload() request: ClaimTaskRequest,
  ): Promise<TaskClaim> {
    refuseOwnWorker(caller, request);
    return this.claimingTask.claimTask(taskId, runNumber(runId), request, caller);
  }

  @Post('task/:taskId/runs/:runId/reclaim')
  @OwnRun()
  @RequireScopes('queue:reclaim-task:<taskId>/<runId>')
  @Operation({
    summary: 'Extend the lease of a run',
    description: `takenUntil never moves back. A worker that lost its lease is told so, and why (409). The credentials hold no more of
task.scopes than the creator of the task does now; what went stays away for the rest of the run, and is told by \`task-scopes-reduced\`.`,
    response: TaskReclaim,
    errors: GONE_OR_CHANGED,
  })
  reclaimTask(@CallerOf() caller: Caller, @TaskId() taskId: string, @RunId() runId: string): Promise<TaskReclaim> {
    return this.reclaiming.reclaimTask(taskId, runNumber(runId), caller);
  }

  @Post('task/:taskId/runs/:runId/completed')
  @OwnRun()
  @RequireScopes('queue:resolve-task:<taskId>/<runId>')
  @Operation({
    summary: 'Report a run completed',
    description: 'It takes no body; only `{"success": false}`, an old way to say it, is understood as failed.',
    response: TaskStatusResponse,
    errors: GONE_OR_CHANGED,
  })
  reportCompleted(@TaskId() taskId: string, @RunId() runId: string, @Req() { body }: ApiRequest): Promise<TaskStatusResponse> {
    const state = (body as { success?: unknown } | undefined)?.success === false ? 'failed' : 'completed'; // an old way to say failed
    return this.resolving.resolve(taskId, runNumber(runId), state, state);
  }

  @Post('task/:taskId/runs/:runId/failed')
  @OwnRun()
  @RequireScopes('queue:resolve-task:<taskId>/<runId>')
  @Operation({ summary: 'Report a run failed', response: TaskStatusResponse, errors: GONE_OR_CHANGED })
  reportFailed(@TaskId() taskId: string, @RunId() runId: string): Promise<TaskStatusResponse> {
    return this.resolving.resolve(taskId, runNumber(runId), 'failed', 'failed');
  }

  @Post('task/:taskId/runs/:runId/signature')
  @OwnRun()
  @RequireScopes('queue:resolve-task:<taskId>/<runId>')
  @Operation({
    summary: 'Report what the worker found of the signature before it began',
    description: 'Once for each run; the same again answers 200. It is told with the run, so that whoever audits it can verify that.',
    stability: 'experimental',
    response: TaskStatusResponse,
    errors: ['InputValidationError', 'InputError', ...GONE_OR_CHANGED],
  })
  reportSignature(@TaskId() taskId: string, @RunId() runId: string, @Payload() verdict: SignatureVerdict): Promise<TaskStatusResponse> {
    return this.signatures.report(taskId, runNumber(runId), verdict);
  }

  @Post('task/:taskId/runs/:runId/exception')
  @OwnRun()
  @RequireScopes('queue:resolve-task:<taskId>/<runId>')
  @Operation({
    summary: 'Report that a run could not be carried out',
    description: `worker-shutdown and intermittent-task are tried again while retries are left, and so is a signed task by an unknown key, three times at
most, since other workers may know it: if the service does, the worker that said so is given nothing of that task queue for 30 s.`,
    response: TaskStatusResponse,
    errors: ['InputValidationError', 'InputError', ...GONE_OR_CHANGED],
  })
  reportException(@TaskId() taskId: string, @RunId() runId: string, @Payload() request: TaskExceptionRequest): Promise<TaskStatusResponse> {
    return this.resolving.exception(taskId, runNumber(runId), request);
  }
}

/**
 * Throws InsufficientScopes for credentials of a run that would claim as the worker that runs it, whatever they hold: with `*` from a
 * creator who may everything, too, a task must not hold more than the task it is.
 */
function refuseOwnWorker({ run }: Caller, { workerGroup, workerId }: ClaimTaskRequest): void {
  if (run?.workerGroup !== workerGroup || run.workerId !== workerId) return;
  throw new ApiError('InsufficientScopes', `Credentials of a run cannot claim as the worker ${workerGroup}/${workerId} that runs it`);
}

/** Throws ResourceNotFound beyond 1000: there are no such runs, and no such number fits the database's. */
function runNumber(runId: string): number {
  if (Number(runId) <= 1000) return Number(runId);
  throw new ApiError('ResourceNotFound', `Run ${runId.slice(0, 20)} does not exist; a run id is an integer from 0 to 1000`);
}

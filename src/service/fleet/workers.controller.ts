import { Controller, Get, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { PROVISIONER_ID, WORKER_PART } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit, UrlQuery } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { DeclareWorkerRequest, QuarantineWorkerRequest, WorkerResponse, WorkersResponse } from './fleet.dto.js';
import { FleetService } from './fleet.service.js';

const ProvisionerId = () => UrlParam('provisionerId', PROVISIONER_ID);
const WorkerType = () => UrlParam('workerType', PROVISIONER_ID);
const WorkerGroup = () => UrlParam('workerGroup', WORKER_PART);
const WorkerId = () => UrlParam('workerId', WORKER_PART);

const WORKER = '<provisionerId>/<workerType>/<workerGroup>/<workerId>';
const DECLARE_SCOPES = { AllOf: [{ for: 'property', in: 'properties', each: `queue:declare-worker:${WORKER}#<property>` }] };

@ApiTags('queue: workers')
@Controller('api/queue/v1/provisioners/:provisionerId/worker-types/:workerType')
export class WorkersController {
  constructor(private readonly fleet: FleetService) {}

  @Get('workers')
  @RequireScopes('queue:list-workers:<provisionerId>/<workerType>')
  @Operation({
    summary: 'List the workers of a task queue that were seen lately or are quarantined',
    stability: 'deprecated',
    response: WorkersResponse,
  })
  listWorkers(
    @ProvisionerId() provisionerId: string,
    @WorkerType() workerType: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
    @UrlQuery('quarantined', { pattern: /^(true|false)$/, description: 'true: only those quarantined; false: only others' })
    quarantined?: string,
  ): Promise<WorkersResponse> {
    const only = quarantined === undefined ? null : quarantined === 'true';
    return this.fleet.workers(`${provisionerId}/${workerType}`, only, { limit, token });
  }

  @Get('workers/:workerGroup/:workerId')
  @RequireScopes(`queue:get-worker:${WORKER}`)
  @Operation({ summary: 'Get a worker', stability: 'deprecated', response: WorkerResponse, errors: ['ResourceNotFound'] })
  getWorker(
    @ProvisionerId() provisionerId: string,
    @WorkerType() workerType: string,
    @WorkerGroup() workerGroup: string,
    @WorkerId() workerId: string,
  ): Promise<WorkerResponse> {
    return this.fleet.worker(`${provisionerId}/${workerType}`, { workerGroup, workerId });
  }

  @Put('workers/:workerGroup/:workerId')
  @RequireScopes(`queue:quarantine-worker:${WORKER}`)
  @Operation({
    summary: 'Quarantine a worker: it gets no more work until then',
    description:
      'What it runs at the moment it may finish. A time in the past ends the quarantine. No more than 10 000 workers may be quarantined.',
    stability: 'experimental',
    response: WorkerResponse,
    errors: ['InputValidationError', 'ResourceNotFound', 'RequestConflict'],
  })
  quarantineWorker(
    @CallerOf() caller: Caller,
    @ProvisionerId() provisionerId: string,
    @WorkerType() workerType: string,
    @WorkerGroup() workerGroup: string,
    @WorkerId() workerId: string,
    @Payload() request: QuarantineWorkerRequest,
  ): Promise<WorkerResponse> {
    return this.fleet.quarantineWorker(`${provisionerId}/${workerType}`, { workerGroup, workerId }, request, caller);
  }

  @Put(':workerGroup/:workerId')
  @RequireScopes(DECLARE_SCOPES)
  @Operation({
    summary: 'Declare a worker before it claims anything',
    description: 'Requires a scope for each field that is sent, and that of `expires` when none is.',
    stability: 'experimental',
    response: WorkerResponse,
    errors: ['InputValidationError'],
  })
  declareWorker(
    @CallerOf() caller: Caller,
    @ProvisionerId() provisionerId: string,
    @WorkerType() workerType: string,
    @WorkerGroup() workerGroup: string,
    @WorkerId() workerId: string,
    @Payload() request: DeclareWorkerRequest,
  ): Promise<WorkerResponse> {
    const properties = ['expires']; // sent or not: otherwise anybody could make workers known
    caller.require(DECLARE_SCOPES, { provisionerId, workerType, workerGroup, workerId, properties });
    return this.fleet.declareWorker(`${provisionerId}/${workerType}`, { workerGroup, workerId }, request);
  }
}

import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { PROVISIONER_ID, TASK_QUEUE_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import {
  ProvisionerResponse,
  ProvisionersResponse,
  TaskQueueResponse,
  TaskQueuesResponse,
  WorkerTypeResponse,
  WorkerTypesResponse,
} from './fleet.dto.js';
import { FleetService } from './fleet.service.js';

const ProvisionerId = () => UrlParam('provisionerId', PROVISIONER_ID);
const WorkerType = () => UrlParam('workerType', PROVISIONER_ID);

/** Task queues, under their own name and under the two parts of it. */
@ApiTags('queue: task queues')
@Controller('api/queue/v1')
export class FleetController {
  constructor(private readonly fleet: FleetService) {}

  @Get('task-queues')
  @RequireScopes('queue:list-task-queues')
  @Operation({ summary: 'List the task queues that were seen lately', response: TaskQueuesResponse })
  listTaskQueues(@Limit() limit?: string, @ContinuationToken() token?: string): Promise<TaskQueuesResponse> {
    return this.fleet.taskQueues('', { limit, token });
  }

  @Get('task-queues/:taskQueueId')
  @RequireScopes('queue:get-task-queue:<taskQueueId>')
  @Operation({ summary: 'Get a task queue', response: TaskQueueResponse, errors: ['ResourceNotFound'] })
  getTaskQueue(@UrlParam('taskQueueId', TASK_QUEUE_ID) taskQueueId: string): Promise<TaskQueueResponse> {
    return this.fleet.taskQueue(taskQueueId);
  }

  @Get('provisioners')
  @RequireScopes('queue:list-provisioners')
  @Operation({ summary: 'List provisioners: what task queues begin with', stability: 'deprecated', response: ProvisionersResponse })
  listProvisioners(@Limit() limit?: string, @ContinuationToken() token?: string): Promise<ProvisionersResponse> {
    return this.fleet.provisioners({ limit, token });
  }

  @Get('provisioners/:provisionerId')
  @RequireScopes('queue:get-provisioner:<provisionerId>')
  @Operation({ summary: 'Get a provisioner', stability: 'deprecated', response: ProvisionerResponse, errors: ['ResourceNotFound'] })
  getProvisioner(@ProvisionerId() provisionerId: string): Promise<ProvisionerResponse> {
    return this.fleet.provisioner(provisionerId);
  }

  @Get('provisioners/:provisionerId/worker-types')
  @RequireScopes('queue:list-worker-types:<provisionerId>')
  @Operation({ summary: 'List the worker types of a provisioner', stability: 'deprecated', response: WorkerTypesResponse })
  async listWorkerTypes(
    @ProvisionerId() provisionerId: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<WorkerTypesResponse> {
    const { taskQueues, ...more } = await this.fleet.taskQueues(`${provisionerId}/`, { limit, token });
    return { workerTypes: taskQueues.map(withoutQueueId), ...more };
  }

  @Get('provisioners/:provisionerId/worker-types/:workerType')
  @RequireScopes('queue:get-worker-type:<provisionerId>/<workerType>')
  @Operation({ summary: 'Get a worker type', stability: 'deprecated', response: WorkerTypeResponse, errors: ['ResourceNotFound'] })
  async getWorkerType(@ProvisionerId() provisionerId: string, @WorkerType() workerType: string): Promise<WorkerTypeResponse> {
    return withoutQueueId(await this.fleet.taskQueue(`${provisionerId}/${workerType}`));
  }
}

function withoutQueueId({ taskQueueId: _, ...workerType }: TaskQueueResponse): WorkerTypeResponse {
  return workerType;
}

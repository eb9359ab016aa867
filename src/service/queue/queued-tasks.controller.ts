import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { TASK_QUEUE_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { ListQueue } from './list-queue.service.js';
import { ClaimedTasksResponse, PendingTaskListResponse } from './lists.dto.js';
import { QueueCounts } from './queue-counts.js';
import { PendingTasksResponse, TaskQueueCountsResponse } from './task.dto.js';

const TaskQueueId = () => UrlParam('taskQueueId', TASK_QUEUE_ID);

const FRESH = 'Of ten thousand and more the count may be some seconds old: ten times as long as it takes to count.';

/** What waits in a task queue, and what of it runs. */
@ApiTags('queue: task queues')
@Controller('api/queue/v1')
export class QueuedTasksController {
  constructor(
    private readonly counts: QueueCounts,
    private readonly queue: ListQueue,
  ) {}

  @Get('pending/:taskQueueId')
  @RequireScopes('queue:pending-count:<taskQueueId>')
  @Operation({ summary: 'Count the pending tasks of a queue', description: FRESH, stability: 'deprecated', response: PendingTasksResponse })
  async pendingTasks(@CallerOf() caller: Caller, @TaskQueueId() taskQueueId: string): Promise<PendingTasksResponse> {
    const { claimedTasks: _, ...pending } = await this.counts.of(taskQueueId, caller.account);
    return pending;
  }

  @Get('task-queues/:taskQueueId/counts')
  @RequireScopes({ AllOf: ['queue:pending-count:<taskQueueId>', 'queue:claimed-count:<taskQueueId>'] })
  @Operation({ summary: 'Count the pending and the claimed tasks of a queue', description: FRESH, response: TaskQueueCountsResponse })
  taskQueueCounts(@CallerOf() caller: Caller, @TaskQueueId() taskQueueId: string): Promise<TaskQueueCountsResponse> {
    return this.counts.of(taskQueueId, caller.account);
  }

  @Get('task-queues/:taskQueueId/pending')
  @RequireScopes('queue:pending-list:<taskQueueId>')
  @Operation({ summary: 'List the pending tasks of a queue', stability: 'experimental', response: PendingTaskListResponse })
  listPendingTasks(
    @CallerOf() caller: Caller,
    @TaskQueueId() taskQueueId: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<PendingTaskListResponse> {
    return this.queue.pending(taskQueueId, { limit, token }, caller);
  }

  @Get('task-queues/:taskQueueId/claimed')
  @RequireScopes('queue:claimed-list:<taskQueueId>')
  @Operation({ summary: 'List the claimed tasks of a queue', stability: 'experimental', response: ClaimedTasksResponse })
  listClaimedTasks(
    @CallerOf() caller: Caller,
    @TaskQueueId() taskQueueId: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<ClaimedTasksResponse> {
    return this.queue.claimed(taskQueueId, { limit, token }, caller);
  }
}

import { Controller, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { SLUGID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { CancelGroupResponse, GroupPriorityResponse, PriorityRequest, TaskGroupListResponse, TaskGroupResponse } from './lists.dto.js';
import { groupScopes, TaskGroupService } from './task-group.service.js';

const TaskGroupId = () => UrlParam('taskGroupId', SLUGID);

@ApiTags('queue: task groups')
@Controller('api/queue/v1/task-group/:taskGroupId')
export class TaskGroupsController {
  constructor(private readonly groups: TaskGroupService) {}

  @Get()
  @RequireScopes('queue:list-task-group:<taskGroupId>')
  @Operation({ summary: 'Get a task group', response: TaskGroupResponse, errors: ['ResourceNotFound'] })
  getTaskGroup(@TaskGroupId() taskGroupId: string): Promise<TaskGroupResponse> {
    return this.groups.get(taskGroupId);
  }

  @Get('list')
  @RequireScopes('queue:list-task-group:<taskGroupId>')
  @Operation({ summary: 'List the tasks of a group, by task id', response: TaskGroupListResponse, errors: ['ResourceNotFound'] })
  listTaskGroup(
    @CallerOf() caller: Caller,
    @TaskGroupId() taskGroupId: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<TaskGroupListResponse> {
    return this.groups.list(taskGroupId, { limit, token }, caller);
  }

  @Post('seal')
  @RequireScopes(groupScopes('seal-task-group'))
  @Operation({
    summary: 'Seal a task group: it takes no more tasks',
    stability: 'experimental',
    response: TaskGroupResponse,
    errors: ['ResourceNotFound'],
  })
  sealTaskGroup(@CallerOf() caller: Caller, @TaskGroupId() taskGroupId: string): Promise<TaskGroupResponse> {
    return this.groups.seal(taskGroupId, caller);
  }

  @Post('cancel')
  @RequireScopes(groupScopes('cancel-task-group'))
  @Operation({
    summary: 'Cancel the tasks of a sealed group that have not ended',
    stability: 'experimental',
    response: CancelGroupResponse,
    errors: ['ResourceNotFound', 'RequestConflict'],
  })
  cancelTaskGroup(@CallerOf() caller: Caller, @TaskGroupId() taskGroupId: string): Promise<CancelGroupResponse> {
    return this.groups.cancel(taskGroupId, caller);
  }

  @Post('priority')
  @RequireScopes(groupScopes('change-task-group-priority'))
  @Operation({
    summary: 'Change the priority of the tasks of a group that have not ended',
    stability: 'experimental',
    response: GroupPriorityResponse,
    errors: ['InputValidationError', 'ResourceNotFound'],
  })
  changeTaskGroupPriority(
    @CallerOf() caller: Caller,
    @TaskGroupId() taskGroupId: string,
    @Payload() { newPriority }: PriorityRequest,
  ): Promise<GroupPriorityResponse> {
    return this.groups.changePriority(taskGroupId, newPriority, caller);
  }
}

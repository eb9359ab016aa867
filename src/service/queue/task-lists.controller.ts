import { Controller, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { ScopeTemplate } from '../../scopes/scope-expression.js';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { SLUGID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { CreateTasksRequest, CreateTasksResponse } from './create-tasks.dto.js';
import { CreateTasksService } from './create-tasks.service.js';
import { ListTasks } from './list-tasks.service.js';
import { DefinitionsResponse, DependentsResponse, StatusesResponse, TaskIdsRequest } from './lists.dto.js';
import { CREATE_TASK_SCOPES } from './task-creation.js';

function each(scope: string): ScopeTemplate {
  return { AllOf: [{ for: 'taskId', in: 'taskIds', each: `${scope}:<taskId>` }] };
}

const CREATE_TASKS = `All tasks are created in one transaction, or none is, and the refusal names \`tasks[<index>]\`. They may depend on one another in any
order, but not in a circle, and on tasks that exist: 20 000 dependencies in all. Each is held to what createTask requires; a task that exists
already by the same definition is answered as it is, so a request can be repeated. They become pending at one moment: between tasks of
the same priority that do not depend on one another there is no order.`;

/** Many tasks at once. */
@ApiTags('queue: tasks')
@Controller('api/queue/v1')
export class TaskListsController {
  constructor(
    private readonly lists: ListTasks,
    private readonly creation: CreateTasksService,
  ) {}

  @Post('tasks')
  @RequireScopes(each('queue:get-task'))
  @Operation({
    summary: 'Get the definitions of many tasks',
    stability: 'experimental',
    response: DefinitionsResponse,
    errors: ['InputValidationError'],
  })
  tasks(
    @CallerOf() caller: Caller,
    @Payload() { taskIds }: TaskIdsRequest,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<DefinitionsResponse> {
    caller.require(each('queue:get-task'), { taskIds });
    return this.lists.definitions(taskIds, { limit, token }, caller);
  }

  @Post('tasks/status')
  @RequireScopes(each('queue:status'))
  @Operation({
    summary: 'Get the statuses of many tasks',
    stability: 'experimental',
    response: StatusesResponse,
    errors: ['InputValidationError'],
  })
  statuses(
    @CallerOf() caller: Caller,
    @Payload() { taskIds }: TaskIdsRequest,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<StatusesResponse> {
    caller.require(each('queue:status'), { taskIds });
    return this.lists.statuses(taskIds, { limit, token }, caller);
  }

  @Post('tasks/create')
  @RequireScopes({ for: 'task', in: 'tasks', each: CREATE_TASK_SCOPES })
  @Operation({
    summary: 'Create many tasks, or none',
    description: CREATE_TASKS,
    stability: 'experimental',
    response: CreateTasksResponse,
    errors: ['InputValidationError', 'InputError', 'SignatureRefused', 'RequestConflict'],
  })
  createTasks(@CallerOf() caller: Caller, @Payload() request: CreateTasksRequest): Promise<CreateTasksResponse> {
    return this.creation.createTasks(request, caller);
  }

  @Get('task/:taskId/dependents')
  @RequireScopes('queue:list-dependent-tasks:<taskId>')
  @Operation({ summary: 'List the tasks that depend on a task', response: DependentsResponse, errors: ['ResourceNotFound'] })
  listDependentTasks(
    @CallerOf() caller: Caller,
    @UrlParam('taskId', SLUGID) taskId: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<DependentsResponse> {
    return this.lists.dependents(taskId, { limit, token }, caller);
  }
}

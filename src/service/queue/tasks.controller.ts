import { Controller, Get, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { SLUGID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { CHANGE_PRIORITY_SCOPES, ControlTaskService, steeringScopes } from './control-task.service.js';
import { CreateTaskService } from './create-task.service.js';
import { FindTask } from './find-task.service.js';
import { PriorityRequest } from './lists.dto.js';
import { TaskSignatureResponse } from './signature.dto.js';
import { CreateTaskRequest, TaskDefinitionResponse, TaskStatusResponse } from './task.dto.js';
import { CREATE_TASK_SCOPES } from './task-creation.js';
import { TaskSignatures } from './task-signatures.service.js';
import { statusOf } from './task-status.js';

const TaskId = () => UrlParam('taskId', SLUGID);

const GONE_OR_CHANGED = ['ResourceNotFound', 'RequestConflict'] as const;

/** What is done with one task by those who create and steer it. */
@ApiTags('queue: tasks')
@Controller('api/queue/v1')
export class TasksController {
  constructor(
    private readonly tasks: FindTask,
    private readonly creation: CreateTaskService,
    private readonly control: ControlTaskService,
    private readonly signatures: TaskSignatures,
  ) {}

  @Get('task/:taskId')
  @RequireScopes('queue:get-task:<taskId>')
  @Operation({ summary: 'Get the definition of a task', response: TaskDefinitionResponse, errors: ['ResourceNotFound'] })
  task(@TaskId() taskId: string): Promise<TaskDefinitionResponse> {
    return this.tasks.definition(taskId);
  }

  @Get('task/:taskId/status')
  @RequireScopes('queue:status:<taskId>')
  @Operation({ summary: 'Get the status of a task', response: TaskStatusResponse, errors: ['ResourceNotFound'] })
  async status(@TaskId() taskId: string): Promise<TaskStatusResponse> {
    return { status: statusOf(await this.tasks.get(taskId)) };
  }

  @Get('task/:taskId/signature')
  @RequireScopes('queue:get-task:<taskId>')
  @Operation({
    summary: 'Get the signature under which a task was created',
    description: 'To verify it anew, by keys of your own. A task that was created without one has none (404).',
    stability: 'experimental',
    response: TaskSignatureResponse,
    errors: ['ResourceNotFound'],
  })
  getTaskSignature(@TaskId() taskId: string): Promise<TaskSignatureResponse> {
    return this.signatures.of(taskId);
  }

  @Put('task/:taskId')
  @RequireScopes(CREATE_TASK_SCOPES)
  @Operation({
    summary: 'Create a task',
    description: `The same definition under the same task id again answers 200 with the status. With a signature it is what was signed that must be
the same. What is wrong with a signature is named by \`detail\` of the refusal; it must be of this task, and its definition in the form in which it is stored.`,
    response: TaskStatusResponse,
    errors: ['InputValidationError', 'InputError', 'SignatureRefused', 'RequestConflict'],
  })
  createTask(@CallerOf() caller: Caller, @TaskId() taskId: string, @Payload() request: CreateTaskRequest): Promise<TaskStatusResponse> {
    return this.creation.createTask(taskId, request, caller);
  }

  @Post('task/:taskId/schedule')
  @RequireScopes(steeringScopes('schedule-task'))
  @Operation({ summary: 'Schedule a task whatever it still depends on', response: TaskStatusResponse, errors: GONE_OR_CHANGED })
  scheduleTask(@CallerOf() caller: Caller, @TaskId() taskId: string): Promise<TaskStatusResponse> {
    return this.control.schedule(taskId, caller);
  }

  @Post('task/:taskId/rerun')
  @RequireScopes(steeringScopes('rerun-task'))
  @Operation({ summary: 'Run a task once more', response: TaskStatusResponse, errors: GONE_OR_CHANGED })
  rerunTask(@CallerOf() caller: Caller, @TaskId() taskId: string): Promise<TaskStatusResponse> {
    return this.control.rerun(taskId, caller);
  }

  @Post('task/:taskId/cancel')
  @RequireScopes(steeringScopes('cancel-task'))
  @Operation({
    summary: 'Cancel a task',
    description: 'A task that has ended stays as it is.',
    response: TaskStatusResponse,
    errors: GONE_OR_CHANGED,
  })
  cancelTask(@CallerOf() caller: Caller, @TaskId() taskId: string): Promise<TaskStatusResponse> {
    return this.control.cancel(taskId, caller);
  }

  @Post('task/:taskId/priority')
  @RequireScopes(CHANGE_PRIORITY_SCOPES)
  @Operation({
    summary: 'Change the priority of a task that has not ended',
    stability: 'experimental',
    response: TaskStatusResponse,
    errors: ['InputValidationError', ...GONE_OR_CHANGED],
  })
  changeTaskPriority(
    @CallerOf() caller: Caller,
    @TaskId() taskId: string,
    @Payload() { newPriority }: PriorityRequest,
  ): Promise<TaskStatusResponse> {
    return this.control.changePriority(taskId, newPriority, caller);
  }
}

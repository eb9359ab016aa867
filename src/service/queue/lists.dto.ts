import { SLUGID, WORKER_PART } from '../http/identifiers.js';
import { Page } from '../http/page.dto.js';
import { Integer, ListOf, Nested, NestedList, OneOf, Text, Timestamp } from '../http/shape.js';
import { PRIORITIES, type Priority } from './priority.js';
import { TaskDefinitionResponse, TaskStatus } from './task.dto.js';

export class TaskIdsRequest {
  @ListOf(SLUGID, { default: [], maxItems: 10_000, description: 'Tasks; those that do not exist are left out of the answer' })
  taskIds!: string[];
}

class NamedDefinition {
  @Text({ rule: SLUGID })
  taskId!: string;

  @Nested(() => TaskDefinitionResponse)
  task!: TaskDefinitionResponse;
}

export class NamedStatus {
  @Text({ rule: SLUGID })
  taskId!: string;

  @Nested(() => TaskStatus)
  status!: TaskStatus;
}

export class DefinitionsResponse extends Page {
  @NestedList(() => NamedDefinition)
  tasks!: NamedDefinition[];
}

class PendingTask extends NamedDefinition {
  @Integer({ minimum: 0, maximum: 1000 })
  runId!: number;

  @Timestamp({ description: 'Since when the run is pending' })
  inserted!: string;
}

class ClaimedTask extends NamedDefinition {
  @Integer({ minimum: 0, maximum: 1000 })
  runId!: number;

  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;

  @Timestamp({ description: 'Since when the worker has the run' })
  claimed!: string;
}

export class PendingTaskListResponse extends Page {
  @NestedList(() => PendingTask, { description: 'The longest waiting first, whatever its priority' })
  tasks!: PendingTask[];
}

export class ClaimedTasksResponse extends Page {
  @NestedList(() => ClaimedTask, { description: 'The oldest claim first' })
  tasks!: ClaimedTask[];
}

export class StatusesResponse extends Page {
  @NestedList(() => NamedStatus)
  statuses!: NamedStatus[];
}

export class TaskAndStatus {
  @Nested(() => TaskDefinitionResponse)
  task!: TaskDefinitionResponse;

  @Nested(() => TaskStatus)
  status!: TaskStatus;
}

export class DependentsResponse extends Page {
  @Text({ rule: SLUGID, description: 'The task that they depend on' })
  taskId!: string;

  @NestedList(() => TaskAndStatus)
  tasks!: TaskAndStatus[];
}

export class PriorityRequest {
  @OneOf(PRIORITIES)
  newPriority!: Priority;
}

export class TaskGroupResponse {
  @Text({ rule: SLUGID })
  taskGroupId!: string;

  @Text({ rule: WORKER_PART })
  schedulerId!: string;

  @Timestamp({ description: 'An hour after its last task expires' })
  expires!: string;

  @Timestamp({ optional: true, description: 'Since when it takes no more tasks' })
  sealed?: string;
}

export class TaskGroupListResponse extends TaskGroupResponse {
  @Text({ optional: true, description: 'Where the next page begins; absent on the last' })
  continuationToken?: string;

  @NestedList(() => TaskAndStatus)
  tasks!: TaskAndStatus[];
}

export class CancelGroupResponse {
  @Text({ rule: SLUGID })
  taskGroupId!: string;

  @Integer({ minimum: 0 })
  taskGroupSize!: number;

  @Integer({ minimum: 0 })
  cancelledCount!: number;

  @ListOf(SLUGID, { description: 'Those that this call ended' })
  taskIds!: string[];
}

export class GroupPriorityResponse {
  @Text({ rule: SLUGID })
  taskGroupId!: string;

  @Text({ rule: WORKER_PART })
  schedulerId!: string;

  @OneOf(PRIORITIES)
  newPriority!: Priority;

  @Integer({ minimum: 0 })
  tasksAffected!: number;

  @ListOf(SLUGID)
  taskIds!: string[];
}

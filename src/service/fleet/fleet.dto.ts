import { PROVISIONER_ID, SLUGID, TASK_QUEUE_ID, WORKER_PART, WORKER_TYPE } from '../http/identifiers.js';
import { Page } from '../http/page.dto.js';
import { Integer, Nested, NestedList, OneOf, Text, Timestamp } from '../http/shape.js';
import { TaskQueueName } from '../http/task-queue-name.dto.js';

/** What a queue or provisioner tells about itself. */
class Described {
  @OneOf(['experimental', 'stable', 'deprecated'])
  stability!: string;

  @Text({})
  description!: string;

  @Timestamp({ description: 'When it is forgotten unless it is seen again' })
  expires!: string;

  @Timestamp()
  lastDateActive!: string;
}

export class ProvisionerResponse extends Described {
  @Text({ rule: PROVISIONER_ID })
  provisionerId!: string;
}

export class ProvisionersResponse extends Page {
  @NestedList(() => ProvisionerResponse)
  provisioners!: ProvisionerResponse[];
}

export class WorkerTypeResponse extends ProvisionerResponse {
  @Text({ rule: WORKER_TYPE })
  workerType!: string;
}

export class WorkerTypesResponse extends Page {
  @NestedList(() => WorkerTypeResponse)
  workerTypes!: WorkerTypeResponse[];
}

export class TaskQueueResponse extends WorkerTypeResponse {
  @Text({ rule: TASK_QUEUE_ID })
  taskQueueId!: string;
}

export class TaskQueuesResponse extends Page {
  @NestedList(() => TaskQueueResponse)
  taskQueues!: TaskQueueResponse[];
}

class RunName {
  @Text({ rule: SLUGID })
  taskId!: string;

  @Integer({ minimum: 0, maximum: 1000 })
  runId!: number;
}

class QuarantineEvent {
  @Text({ description: 'Who did it; empty: a caller without credentials' })
  clientId!: string;

  @Timestamp()
  updatedAt!: string;

  @Timestamp()
  quarantineUntil!: string;

  @Text({ optional: true })
  quarantineInfo?: string;
}

export class WorkerSummary {
  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;

  @Timestamp()
  firstClaim!: string;

  @Timestamp()
  lastDateActive!: string;

  @Nested(() => RunName, { optional: true })
  latestTask?: RunName;

  @Timestamp({ optional: true, description: 'Only while it is quarantined' })
  quarantineUntil?: string;
}

export class WorkersResponse extends Page {
  @NestedList(() => WorkerSummary)
  workers!: WorkerSummary[];
}

export class WorkerResponse extends TaskQueueName {
  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;

  @NestedList(() => RunName, { description: 'The last 20 runs it claimed, oldest first' })
  recentTasks!: RunName[];

  @Timestamp()
  expires!: string;

  @Timestamp()
  firstClaim!: string;

  @Timestamp()
  lastDateActive!: string;

  @Timestamp({ description: 'Until when it may not claim; in the past when it may' })
  quarantineUntil!: string;

  @NestedList(() => QuarantineEvent, { description: 'Every quarantine, oldest first' })
  quarantineDetails!: QuarantineEvent[];
}

export class QuarantineWorkerRequest {
  @Timestamp({ description: 'Until when the worker may not claim; a time in the past lets it claim again' })
  quarantineUntil!: string;

  @Text({ optional: true, maxLength: 4000, description: 'Why' })
  quarantineInfo?: string;
}

export class DeclareWorkerRequest {
  @Timestamp({ optional: true, description: 'When it is forgotten unless it is seen again; in a day when absent' })
  expires?: string;
}

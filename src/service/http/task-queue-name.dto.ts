import { PROVISIONER_ID, TASK_QUEUE_ID, WORKER_TYPE } from './identifiers.js';
import { Text } from './shape.js';

/** A task queue by all its names, as `taskQueueNames` tells them. */
export class TaskQueueName {
  @Text({ rule: PROVISIONER_ID })
  provisionerId!: string;

  @Text({ rule: WORKER_TYPE })
  workerType!: string;

  @Text({ rule: TASK_QUEUE_ID })
  taskQueueId!: string;
}

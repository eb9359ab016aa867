import { PROVISIONER_ID, TASK_QUEUE_ID, WORKER_TYPE } from '../http/identifiers.js';
import { Page } from '../http/page.dto.js';
import { NestedList, Text, Timestamp } from '../http/shape.js';

class PurgeRequest {
  @Text({ rule: PROVISIONER_ID })
  provisionerId!: string;

  @Text({ rule: WORKER_TYPE })
  workerType!: string;

  @Text({ rule: TASK_QUEUE_ID })
  workerPoolId!: string;

  @Text({})
  cacheName!: string;

  @Timestamp({ description: 'Caches made before this are to be thrown away' })
  before!: string;
}

export class PurgeRequestsResponse {
  @NestedList(() => PurgeRequest)
  requests!: PurgeRequest[];
}

export class AllPurgeRequestsResponse extends Page {
  @NestedList(() => PurgeRequest)
  requests!: PurgeRequest[];
}

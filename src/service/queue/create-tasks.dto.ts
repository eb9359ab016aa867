import { SLUGID } from '../http/identifiers.js';
import { Nested, NestedList, Text } from '../http/shape.js';
import { NamedStatus } from './lists.dto.js';
import { CreateTaskRequest } from './task.dto.js';

/** Each has a definition of its own to be read, checked and written: 3 000 take a second or two, and one transaction of about one. */
const MOST_TASKS = 3_000;

class NewTaskRequest {
  @Text({ rule: SLUGID })
  taskId!: string;

  @Nested(() => CreateTaskRequest)
  task!: CreateTaskRequest;
}

export class CreateTasksRequest {
  @NestedList(() => NewTaskRequest, {
    bounds: { minItems: 1, maxItems: MOST_TASKS },
    description: 'In any order, also where they depend on one another',
  })
  tasks!: NewTaskRequest[];
}

export class CreateTasksResponse {
  @NestedList(() => NamedStatus, { description: 'In the order of the request' })
  tasks!: NamedStatus[];
}

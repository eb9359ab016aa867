import { LOSSES, type Loss } from '../http/authority.js';
import { ARTIFACT_NAME, SLUGID, WORKER_PART } from '../http/identifiers.js';
import { Integer, Nested, OneOf, Scopes, Text, TextMap, Timestamp } from '../http/shape.js';
import { PRIORITIES, type Priority } from '../queue/priority.js';
import { TaskStatus } from '../queue/task.dto.js';
import type { EventKind } from './event-message.js';

/* What `data` of an event holds. The same goes to AMQP, except for what only a stream has to say. */

const RUN_ID = { minimum: 0, maximum: 1000 };

class VersionedMessage {
  @Integer({ minimum: 1, maximum: 1 })
  version!: number;
}

/** Also what a stream of one task begins with. */
class TaskStatusMessage extends VersionedMessage {
  @Nested(() => TaskStatus, { description: 'As it was then' })
  status!: TaskStatus;
}

class MessageTask {
  @TextMap({ maxLength: 4096, description: 'Empty when they are larger than 16 KiB, or gone with the task' })
  tags!: Record<string, string>;
}

class TaskDefinedMessage extends TaskStatusMessage {
  @Nested(() => MessageTask)
  task!: MessageTask;
}

class TaskPendingMessage extends TaskDefinedMessage {
  @Integer(RUN_ID)
  runId!: number;
}

class TaskResolvedMessage extends TaskPendingMessage {
  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;
}

class TaskRunningMessage extends TaskResolvedMessage {
  @Timestamp({ description: 'When the lease lapses' })
  takenUntil!: string;
}

class TaskExceptionMessage extends TaskPendingMessage {
  @Text({ rule: WORKER_PART, optional: true, description: 'Absent if no worker had it' })
  workerGroup?: string;

  @Text({ rule: WORKER_PART, optional: true })
  workerId?: string;
}

class TaskPriorityChangedMessage extends TaskStatusMessage {
  @OneOf(PRIORITIES)
  oldPriority!: Priority;

  @OneOf(PRIORITIES)
  newPriority!: Priority;
}

class MessageArtifact {
  @OneOf(['s3', 'object', 'reference', 'link', 'error'])
  storageType!: string;

  @Text({ rule: ARTIFACT_NAME })
  name!: string;

  @Text({})
  contentType!: string;

  @Timestamp()
  expires!: string;
}

class ArtifactCreatedMessage extends TaskStatusMessage {
  @Integer(RUN_ID)
  runId!: number;

  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;

  @Nested(() => MessageArtifact)
  artifact!: MessageArtifact;
}

class TaskScopesReducedMessage extends TaskStatusMessage {
  @Integer(RUN_ID)
  runId!: number;

  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;

  @Scopes({ description: 'Scopes that the run does not hold any more, or not wholly: the first 16 KiB of them' })
  lost!: string[];

  @Integer({ minimum: 1, description: 'How many these are in all' })
  lostCount!: number;

  @Text({ optional: true, description: 'The client on whose authority the task is; empty: callers without credentials' })
  creator?: string;

  @OneOf(LOSSES, { optional: true, description: 'What became of that client' })
  because?: Loss;
}

class TaskGroupMessage extends VersionedMessage {
  @Text({ rule: SLUGID })
  taskGroupId!: string;

  @Text({ rule: WORKER_PART })
  schedulerId!: string;
}

class TaskGroupResolvedMessage extends TaskGroupMessage {
  @Timestamp()
  expires!: string;

  @Timestamp({ optional: true, description: 'Since when it takes no more tasks; absent if it takes them' })
  sealed?: string;
}

class TaskGroupSealedMessage extends TaskGroupMessage {
  @Timestamp()
  expires!: string;

  @Timestamp()
  sealed!: string;
}

class TaskGroupPriorityChangedMessage extends TaskGroupMessage {
  @OneOf(PRIORITIES)
  newPriority!: Priority;

  @Integer({ minimum: 0 })
  tasksAffected!: number;
}

/** It says nothing but that it came. */
class EventsLostMessage {}

/** What each kind of event says; the last two are only said in streams. */
export const MESSAGES: Readonly<Record<EventKind | 'task-status' | 'events-lost', new () => object>> = {
  'task-defined': TaskDefinedMessage,
  'task-pending': TaskPendingMessage,
  'task-running': TaskRunningMessage,
  'task-completed': TaskResolvedMessage,
  'task-failed': TaskResolvedMessage,
  'task-exception': TaskExceptionMessage,
  'task-priority-changed': TaskPriorityChangedMessage,
  'artifact-created': ArtifactCreatedMessage,
  'task-scopes-reduced': TaskScopesReducedMessage,
  'task-group-resolved': TaskGroupResolvedMessage,
  'task-group-sealed': TaskGroupSealedMessage,
  'task-group-priority-changed': TaskGroupPriorityChangedMessage,
  'task-status': TaskStatusMessage,
  'events-lost': EventsLostMessage,
};

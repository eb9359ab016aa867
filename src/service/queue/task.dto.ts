import { DEFAULTS } from '../../signatures/normal-form.js';
import { SIGNATURE_POLICIES, type SignaturePolicy } from '../../signatures/signature-policy.js';
import { PROJECT_ID, PROVISIONER_ID, SLUGID, TASK_QUEUE_ID, WORKER_PART, WORKER_TYPE } from '../http/identifiers.js';
import { Integer, JsonObject, ListOf, Nested, NestedList, OneOf, Scopes, Text, TextMap, Timestamp } from '../http/shape.js';
import { TaskQueueName } from '../http/task-queue-name.dto.js';
import { PRIORITIES, type Priority } from './priority.js';
import { REASONS_CREATED, REASONS_RESOLVED, RUN_STATES, TASK_STATES, WORKER_REASONS, type WorkerReason } from './run-state.js';
import { SignatureRefusal, SignatureVerdict } from './signature.dto.js';

/** Characters: longer ones are refused unread. */
const MOST_SIGNATURE = 1024 * 1024;

const SOURCE = { pattern: /^(https?:\/\/|ssh:\/\/|git@)/, description: 'a link that begins with http://, https://, ssh:// or git@' };

export class TaskMetadata {
  @Text({ maxLength: 255 })
  name!: string;

  @Text({ maxLength: 32_768, description: 'For people, as Markdown' })
  description!: string;

  @Text({ maxLength: 255, description: 'Whom to ask: an e-mail address, for example' })
  owner!: string;

  @Text({ maxLength: 4096, rule: SOURCE, description: 'A link to where the task comes from' })
  source!: string;
}

const CREATED = 'When the definition was made; within 15 minutes of now';
const DEADLINE = 'When the task must have ended; at most MAX_TASK_DEADLINE_DAYS ahead';
const EXPIRES = 'When the task is forgotten; a year after the deadline when absent';

/** What a creator sends. Absent fields have the defaults named here. */
export class CreateTaskRequest {
  @Text({ rule: PROVISIONER_ID, optional: true, description: 'With workerType, another way to name the task queue' })
  provisionerId?: string;

  @Text({ rule: WORKER_TYPE, optional: true })
  workerType?: string;

  @Text({ rule: TASK_QUEUE_ID, optional: true, description: 'Where the task waits for a worker' })
  taskQueueId?: string;

  @Text({ rule: WORKER_PART, default: DEFAULTS.schedulerId, description: 'Who schedules; one per task group' })
  schedulerId!: string;

  @Text({ rule: PROJECT_ID, default: DEFAULTS.projectId })
  projectId!: string;

  @Text({ rule: SLUGID, optional: true, description: 'The task id when absent' })
  taskGroupId?: string;

  @ListOf(SLUGID, {
    default: DEFAULTS.dependencies,
    maxItems: 10_000,
    unique: true,
    description: 'Tasks that must end before this one starts',
  })
  dependencies!: string[];

  @OneOf(['all-completed', 'all-resolved'], { default: DEFAULTS.requires, description: 'How the dependencies must end' })
  requires!: 'all-completed' | 'all-resolved';

  @ListOf(
    { minLength: 1, maxLength: 249 },
    { default: DEFAULTS.routes, maxItems: 64, unique: true, description: 'Extra routing keys of its messages' },
  )
  routes!: string[];

  @OneOf(PRIORITIES, { default: DEFAULTS.priority })
  priority!: Priority;

  @Integer({
    minimum: 0,
    maximum: 49,
    default: DEFAULTS.retries,
    description: 'How often a run that the infrastructure ended is tried again',
  })
  retries!: number;

  @Timestamp({ description: CREATED })
  created!: string;

  @Timestamp({ description: DEADLINE })
  deadline!: string;

  @Timestamp({ optional: true, description: EXPIRES })
  expires?: string;

  @Scopes({ default: DEFAULTS.scopes, maxItems: 10_000, description: 'What the task may do; the creator must hold all of it' })
  scopes!: string[];

  @JsonObject({ description: 'What the worker is to do; its shape is between creator and worker' })
  payload!: Record<string, unknown>;

  @Nested(() => TaskMetadata)
  metadata!: TaskMetadata;

  @TextMap({ maxLength: 4096, default: DEFAULTS.tags, description: 'For searching' })
  tags!: Record<string, string>;

  @JsonObject({ default: DEFAULTS.extra, description: 'Anything else' })
  extra!: Record<string, unknown>;

  @Text({
    optional: true,
    minLength: 1,
    maxLength: MOST_SIGNATURE,
    description: 'A compact JWS over this definition, with every field filled in',
  })
  signature?: string;
}

/** Where a task belongs. */
class TaskPlace extends TaskQueueName {
  @Text({ rule: WORKER_PART })
  schedulerId!: string;

  @Text({ rule: PROJECT_ID })
  projectId!: string;

  @Text({ rule: SLUGID })
  taskGroupId!: string;
}

/** A definition with every field filled in. */
export class TaskDefinitionResponse extends TaskPlace {
  @ListOf(SLUGID)
  dependencies!: string[];

  @OneOf(['all-completed', 'all-resolved'])
  requires!: 'all-completed' | 'all-resolved';

  @ListOf({ maxLength: 249 })
  routes!: string[];

  @OneOf(PRIORITIES, { description: 'As it is now; of a signed task, as it was signed' })
  priority!: Priority;

  @Integer({ minimum: 0, maximum: 49 })
  retries!: number;

  @Timestamp()
  created!: string;

  @Timestamp()
  deadline!: string;

  @Timestamp()
  expires!: string;

  @Scopes()
  scopes!: string[];

  @JsonObject()
  payload!: Record<string, unknown>;

  @Nested(() => TaskMetadata)
  metadata!: TaskMetadata;

  @TextMap({ maxLength: 4096 })
  tags!: Record<string, string>;

  @JsonObject()
  extra!: Record<string, unknown>;
}

export class TaskRun {
  @Integer({ minimum: 0, maximum: 1000 })
  runId!: number;

  @OneOf(RUN_STATES)
  state!: string;

  @OneOf(REASONS_CREATED)
  reasonCreated!: string;

  @OneOf(REASONS_RESOLVED, { optional: true })
  reasonResolved?: string;

  @Text({ rule: WORKER_PART, optional: true })
  workerGroup?: string;

  @Text({ rule: WORKER_PART, optional: true })
  workerId?: string;

  @Timestamp({ optional: true, description: 'When the lease lapses, or would have' })
  takenUntil?: string;

  @Timestamp()
  scheduled!: string;

  @Timestamp({ optional: true })
  started?: string;

  @Timestamp({ optional: true })
  resolved?: string;

  @Nested(() => SignatureVerdict, { optional: true, description: 'What the worker found of the signature, if it looked' })
  signature?: SignatureVerdict;
}

export class TaskStatus extends TaskPlace {
  @Text({ rule: SLUGID })
  taskId!: string;

  @OneOf(PRIORITIES)
  priority!: Priority;

  @Timestamp()
  deadline!: string;

  @Timestamp()
  expires!: string;

  @Integer({ minimum: 0, maximum: 999 })
  retriesLeft!: number;

  @OneOf(TASK_STATES)
  state!: string;

  @NestedList(() => TaskRun)
  runs!: TaskRun[];

  @Nested(() => SignatureVerdict, { optional: true, description: 'What the queue found of the signature when the task was created' })
  signature?: SignatureVerdict;
}

export class TaskStatusResponse {
  @Nested(() => TaskStatus)
  status!: TaskStatus;
}

export class ClaimTaskRequest {
  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;
}

export class ClaimWorkRequest extends ClaimTaskRequest {
  @Integer({ minimum: 1, maximum: 32, default: 1, description: 'How many tasks the worker can take now' })
  tasks!: number;
}

export class RunCredentials {
  @Text({ description: 'task-client/<taskId>/<runId>/on/<workerGroup>/<workerId>/until/<takenUntil>' })
  clientId!: string;

  @Text({})
  accessToken!: string;

  @Text({ description: 'JSON as a text' })
  certificate!: string;
}

export class TaskReclaim {
  @Nested(() => TaskStatus)
  status!: TaskStatus;

  @Integer({ minimum: 0, maximum: 1000 })
  runId!: number;

  @Text({ rule: WORKER_PART })
  workerGroup!: string;

  @Text({ rule: WORKER_PART })
  workerId!: string;

  @Timestamp({ description: 'When the lease lapses unless it is reclaimed' })
  takenUntil!: string;

  @Integer({ minimum: 1, description: 'Larger for every claim of the task: a resource that has seen a larger one refuses a smaller' })
  fence!: number;

  @Nested(() => RunCredentials, { description: 'Good for this run alone, and only while it lasts' })
  credentials!: RunCredentials;
}

export class TaskClaim extends TaskReclaim {
  @Nested(() => TaskDefinitionResponse, { description: 'A signed one is as it was signed, whatever the priority is now' })
  task!: TaskDefinitionResponse;

  @Text({
    optional: true,
    description: 'The signature of the task: a compact JWS, to be verified by keys that the worker has from elsewhere',
  })
  signature?: string;

  @OneOf(SIGNATURE_POLICIES, { optional: true, description: "How strict to be with it at least; absent: as the worker's own policy is" })
  signaturePolicy?: SignaturePolicy;
}

export class ClaimWorkResponse {
  @NestedList(() => TaskClaim)
  tasks!: TaskClaim[];
}

export class TaskExceptionRequest {
  @OneOf(WORKER_REASONS, { description: 'worker-shutdown and intermittent-task are retried' })
  reason!: WorkerReason;

  @Nested(() => SignatureRefusal, { optional: true, description: 'With signature-missing and signature-invalid: what is wrong' })
  signature?: SignatureRefusal;
}

export class PendingTasksResponse extends TaskQueueName {
  @Integer({ minimum: 0 })
  pendingTasks!: number;
}

export class TaskQueueCountsResponse extends PendingTasksResponse {
  @Integer({ minimum: 0 })
  claimedTasks!: number;
}

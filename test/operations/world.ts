import { type Answer, type Api, definition, slugid } from '../support/api.js';
import { ok, Tasks, WORKER } from '../support/tasks.js';
import type { TestService } from '../support/test-service.js';

export const soon = (ms = 3_600_000) => new Date(Date.now() + ms).toISOString();
export const PAST = '2020-01-01T00:00:00.000Z';
export const SCHEDULER = 'sched';
export const PROJECT = 'project';
export const AUDIENCE = 'operations';

export interface WorkerParams {
  provisionerId: string;
  workerType: string;
  workerGroup: string;
  workerId: string;
}

export const workerScope = (worker: WorkerParams) =>
  `${worker.provisionerId}/${worker.workerType}/${worker.workerGroup}/${worker.workerId}`;
export const workerPath = ({ provisionerId, workerType, workerGroup, workerId }: WorkerParams) =>
  `/queue/v1/provisioners/${provisionerId}/worker-types/${workerType}/workers/${workerGroup}/${workerId}`;

export const policyPath = (taskQueueId: string) => `/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/signature-policy`;

let names = 0;

/** Makes what operations are called on. Everything is new, so that nothing depends on what another check left behind. */
export class World {
  readonly root: Api;
  readonly tasks: Tasks;

  constructor(readonly test: TestService) {
    this.root = test.root;
    this.tasks = new Tasks(test.root, test.database);
  }

  name(prefix = 'x'): string {
    return `${prefix}${names++}`;
  }

  /** A task queue that nobody else uses. */
  queueId(): string {
    return `ops/${this.name('q')}`;
  }

  /** A pending task of a queue, a group, a scheduler and a project. */
  async task(overrides: Record<string, unknown> = {}) {
    const [taskQueueId, taskGroupId] = [this.queueId(), slugid()];
    const taskId = await this.tasks.create({ taskQueueId, taskGroupId, schedulerId: SCHEDULER, projectId: PROJECT, ...overrides });
    return { params: { taskId }, taskQueueId, taskGroupId };
  }

  /** A task that waits for itself: until somebody schedules it. */
  async waiting() {
    const taskId = slugid();
    const taskGroupId = slugid();
    await this.tasks.create({ taskGroupId, schedulerId: SCHEDULER, projectId: PROJECT, dependencies: [taskId] }, taskId);
    return { params: { taskId }, taskGroupId };
  }

  /** A run that the worker `WORKER` holds, and what it was lent. */
  async run(overrides: Record<string, unknown> = {}) {
    const { params } = await this.task(overrides);
    const { credentials, takenUntil } = await ok(this.tasks.claimTask(params.taskId));
    return { params: { ...params, runId: '0' }, credentials, takenUntil };
  }

  /** A group with some pending tasks. */
  async group(size = 1, overrides: Record<string, unknown> = {}) {
    const taskGroupId = slugid();
    const create = () => this.tasks.create({ taskGroupId, schedulerId: SCHEDULER, ...overrides });
    const taskIds = (await Promise.all(Array.from({ length: size }, create))).sort();
    return { params: { taskGroupId }, taskIds };
  }

  sealGroup(taskGroupId: string): Promise<Answer['body']> {
    return ok(this.root.post(`/queue/v1/task-group/${taskGroupId}/seal`));
  }

  /** A worker that asked its queue for work. */
  async worker(taskQueueId = `${this.name('prov')}/${this.name('type')}`, workerId = this.name('w')) {
    const worker = { workerGroup: WORKER.workerGroup, workerId };
    await ok(this.tasks.claimWork(taskQueueId, 1, worker));
    const [provisionerId = '', workerType = ''] = taskQueueId.split('/');
    return { params: { provisionerId, workerType, ...worker } };
  }

  /** A task queue that a worker asked for work, of a provisioner of several. */
  async polledQueue(): Promise<string> {
    const taskQueueId = this.queueId();
    await ok(this.tasks.claimWork(taskQueueId));
    return taskQueueId;
  }

  async clientId(scopes: string[] = [], clientId = `ops/${this.name('client')}`): Promise<string> {
    const body = { expires: soon(), description: 'made by a test', scopes };
    const { error } = await this.test.admin.PUT('/api/auth/v1/clients/{clientId}', { params: { path: { clientId } }, body });
    if (error) throw new Error(error.message);
    return clientId;
  }

  async roleId(scopes: string[] = [], roleId = this.name('role:')): Promise<string> {
    await this.test.role(roleId, ...scopes);
    return roleId;
  }

  /** A definition of a task with all that needs scopes. */
  definition(overrides: Record<string, unknown> = {}): Record<string, unknown> {
    return definition({ taskQueueId: this.queueId(), schedulerId: SCHEDULER, projectId: PROJECT, ...overrides });
  }
}

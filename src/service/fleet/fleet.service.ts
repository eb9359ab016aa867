import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { taskQueueNames } from '../http/identifiers.js';
import { after, cut, keyOf, type PageQuery, pageSize } from '../http/page.js';
import { Bulletin } from '../postgres/bulletin.js';
import { BATCH, Housekeeper, type Left, leftAfter } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import type {
  DeclareWorkerRequest,
  ProvisionerResponse,
  ProvisionersResponse,
  QuarantineWorkerRequest,
  TaskQueueResponse,
  TaskQueuesResponse,
  WorkerResponse,
  WorkersResponse,
} from './fleet.dto.js';
import { Quarantine, type WorkerName } from './quarantine.js';
import { Sightings } from './sightings.js';
import { declareWorker } from './sql/declare-worker.js';
import { findTaskQueue } from './sql/find-task-queue.js';
import { findWorker } from './sql/find-worker.js';
import { forgetFleet } from './sql/forget-fleet.js';
import { listProvisioners, type ProvisionerRow } from './sql/list-provisioners.js';
import { listTaskQueues, type TaskQueueRow } from './sql/list-task-queues.js';
import { listWorkers } from './sql/list-workers.js';
import { quarantineWorker } from './sql/quarantine-worker.js';
import type { WorkerRow } from './sql/worker-columns.js';

const FORGET_EVERY = 600;
const DAY_MS = 86_400_000;
const NEVER = new Date(0);

/** Every process keeps them in memory, and reads them every 2 s: 300 000 took 300 MB and a third of a core. */
const MOST_QUARANTINED = 10_000;

/** Task queues and workers, as they were seen. */
@Injectable()
export class FleetService implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly sightings: Sightings,
    private readonly quarantine: Quarantine,
    private readonly bulletin: Bulletin,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    this.housekeeper.register({ name: 'forgetting workers and task queues', every: FORGET_EVERY, batch: () => this.forget() });
  }

  async forget(): Promise<Left> {
    const [gone] = await this.sql.query(forgetFleet, [BATCH]);
    return leftAfter(Math.max(gone?.workers ?? 0, gone?.taskQueues ?? 0));
  }

  async taskQueues(prefix: string, { limit, token }: PageQuery): Promise<TaskQueuesResponse> {
    await this.sightings.flush();
    const size = pageSize(limit);
    const found = await this.sql.query(listTaskQueues, [prefix, after(token), size + 1]);
    const { items, ...more } = cut(found, size, (queue) => [queue.taskQueueId]);
    return { taskQueues: items.map(describeQueue), ...more };
  }

  async taskQueue(taskQueueId: string): Promise<TaskQueueResponse> {
    await this.sightings.flush();
    const [queue] = await this.sql.query(findTaskQueue, [taskQueueId]);
    if (!queue) throw new ApiError('ResourceNotFound', `Task queue ${taskQueueId} was not seen lately`);
    return describeQueue(queue);
  }

  async provisioners({ limit, token }: PageQuery): Promise<ProvisionersResponse> {
    await this.sightings.flush();
    const size = pageSize(limit);
    const found = await this.sql.query(listProvisioners, [null, after(token), size + 1]);
    const { items, ...more } = cut(found, size, (provisioner) => [provisioner.provisionerId]);
    return { provisioners: items.map(describeProvisioner), ...more };
  }

  async provisioner(provisionerId: string): Promise<ProvisionerResponse> {
    await this.sightings.flush();
    const [provisioner] = await this.sql.query(listProvisioners, [provisionerId, '', 1]);
    if (!provisioner) throw new ApiError('ResourceNotFound', `Provisioner ${provisionerId} was not seen lately`);
    return describeProvisioner(provisioner);
  }

  async workers(taskQueueId: string, quarantined: boolean | null, { limit, token }: PageQuery): Promise<WorkersResponse> {
    await this.sightings.flush();
    const size = pageSize(limit);
    const [group = '', id = ''] = token === undefined ? [] : keyOf(token, 2);
    const found = await this.sql.query(listWorkers, [taskQueueId, quarantined, group, id, size + 1]);
    const { items, ...more } = cut(found, size, (worker) => [worker.workerGroup, worker.workerId]);
    return { workers: items.map(summarize), ...more };
  }

  async worker(taskQueueId: string, { workerGroup, workerId }: WorkerName): Promise<WorkerResponse> {
    await this.sightings.flush();
    const [worker] = await this.sql.query(findWorker, [taskQueueId, workerGroup, workerId]);
    if (!worker) throw unknownWorker(taskQueueId, workerGroup, workerId);
    return describeWorker(worker);
  }

  /** From now until then the worker is given no work; what it runs it may finish. */
  async quarantineWorker(taskQueueId: string, name: WorkerName, request: QuarantineWorkerRequest, caller: Caller): Promise<WorkerResponse> {
    const { workerGroup, workerId } = name;
    const quarantineUntil = new Date(request.quarantineUntil).toISOString();
    const { quarantineInfo } = request;
    const event = {
      clientId: caller.clientId ?? '',
      updatedAt: new Date().toISOString(),
      quarantineUntil,
      ...(quarantineInfo ? { quarantineInfo } : {}),
    };
    await this.sightings.flush();
    const parameters = [taskQueueId, workerGroup, workerId, quarantineUntil, JSON.stringify([event]), MOST_QUARANTINED];
    const [worker] = await this.sql.query(quarantineWorker, parameters);
    if (!worker) {
      await this.worker(taskQueueId, name); // throws if there is none
      throw new ApiError('RequestConflict', `${MOST_QUARANTINED} workers are quarantined already; end the quarantine of others first`);
    }
    this.bulletin.fleetChanged();
    await this.quarantine.refresh();
    return describeWorker(worker);
  }

  async declareWorker(taskQueueId: string, { workerGroup, workerId }: WorkerName, request: DeclareWorkerRequest): Promise<WorkerResponse> {
    const expires = new Date(request.expires ?? Date.now() + DAY_MS).toISOString();
    const [worker] = await this.sql.query(declareWorker, [taskQueueId, workerGroup, workerId, expires]);
    return describeWorker(worker as WorkerRow);
  }
}

function described({ lastDateActive, expires }: { lastDateActive: Date; expires: Date }) {
  return { stability: 'experimental', description: '', expires: expires.toISOString(), lastDateActive: lastDateActive.toISOString() };
}

function describeQueue(queue: TaskQueueRow): TaskQueueResponse {
  return { ...taskQueueNames(queue.taskQueueId), ...described(queue) };
}

function describeProvisioner(provisioner: ProvisionerRow): ProvisionerResponse {
  return { provisionerId: provisioner.provisionerId, ...described(provisioner) };
}

function summarize(worker: WorkerRow) {
  const { workerGroup, workerId, firstClaim, lastDateActive, recentTasks, quarantined, quarantineUntil } = worker;
  const latestTask = recentTasks.at(-1);
  return {
    workerGroup,
    workerId,
    firstClaim: firstClaim.toISOString(),
    lastDateActive: lastDateActive.toISOString(),
    ...(latestTask ? { latestTask } : {}),
    ...(quarantined && quarantineUntil ? { quarantineUntil: quarantineUntil.toISOString() } : {}),
  };
}

function describeWorker(worker: WorkerRow): WorkerResponse {
  const { taskQueueId, workerGroup, workerId, recentTasks, expires, firstClaim, lastDateActive, quarantineUntil, quarantineDetails } =
    worker;
  return {
    ...taskQueueNames(taskQueueId),
    workerGroup,
    workerId,
    recentTasks,
    expires: expires.toISOString(),
    firstClaim: firstClaim.toISOString(),
    lastDateActive: lastDateActive.toISOString(),
    quarantineUntil: (quarantineUntil ?? NEVER).toISOString(),
    quarantineDetails,
  };
}

function unknownWorker(taskQueueId: string, workerGroup: string, workerId: string): ApiError {
  return new ApiError(
    'ResourceNotFound',
    `Worker ${workerGroup}/${workerId} was not seen at task queue ${taskQueueId}; it is known once it claims or is declared`,
  );
}

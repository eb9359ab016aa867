import { Injectable } from '@nestjs/common';
import type { ScopeTemplate } from '../../scopes/scope-expression.js';
import { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { assertNoDoubleStar } from '../http/scope-rules.js';
import { isUniqueViolation, type Runner, Sql } from '../postgres/sql.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { FindTask } from './find-task.service.js';
import { atLeast, rankOf } from './priority.js';
import { findDefinition } from './sql/find-definition.js';
import { findGroup } from './sql/find-group.js';
import { insertDependencies } from './sql/insert-dependencies.js';
import { insertTask } from './sql/insert-task.js';
import { lockDependencies } from './sql/lock-dependencies.js';
import type { TaskRow } from './sql/task-columns.js';
import type { CreateTaskRequest, TaskStatusResponse } from './task.dto.js';
import { assertTimely, digestOf, normalizeDefinition, type StoredDefinition } from './task-definition.js';
import { statusOf } from './task-status.js';

/** The creator must hold all that the task may do, and may ask for a priority by holding that of a higher one. */
export const CREATE_TASK_SCOPES: ScopeTemplate = {
  AllOf: [
    { for: 'scope', in: 'scopes', each: '<scope>' },
    { for: 'route', in: 'routes', each: 'queue:route:<route>' },
    'queue:create-task:project:<projectId>',
    'queue:scheduler-id:<schedulerId>',
    { AnyOf: [{ for: 'priority', in: 'priorities', each: 'queue:create-task:<priority>:<taskQueueId>' }] },
  ],
};

@Injectable()
export class CreateTaskService {
  constructor(
    private readonly sql: Sql,
    private readonly tasks: FindTask,
    private readonly desk: ClaimDesk,
    private readonly config: Config,
  ) {}

  /** Creates the task. The same definition again answers its status; another one under the same id, or a sealed group, is a conflict. */
  async createTask(taskId: string, request: CreateTaskRequest, caller: Caller): Promise<TaskStatusResponse> {
    const definition = normalizeDefinition(taskId, request);
    authorizeCreation(definition, caller);
    refuseSlips(definition, this.config.taskMaxDependencies);
    assertTimely(definition, Date.now(), this.config.maxTaskDeadlineDays);
    const task = await this.insert(taskId, definition, digestOf(definition));
    return { status: statusOf(task) };
  }

  private async insert(taskId: string, definition: StoredDefinition, digest: Buffer): Promise<TaskRow> {
    try {
      const task = await this.tryInsert(taskId, definition, digest);
      if (task.state === 'pending') this.desk.announce(task.taskQueueId);
      return task;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const known = await this.sameAgain(taskId, digest);
      if (known) return known;
      throw error;
    }
  }

  /** A group that somebody else creates at this very moment is there at the second try. */
  private async tryInsert(taskId: string, definition: StoredDefinition, digest: Buffer): Promise<TaskRow> {
    for (let tries = 1; ; tries++) {
      const task =
        definition.dependencies.length === 0
          ? await this.insertAlone(taskId, definition, digest)
          : await this.insertDependent(taskId, definition, digest);
      if (task) return task;
      await this.refuseGroup(definition);
      if (tries === 3) throw new Error(`the group of task ${taskId} came and went three times`);
    }
  }

  private async insertAlone(taskId: string, definition: StoredDefinition, digest: Buffer): Promise<TaskRow | undefined> {
    const [task] = await this.sql.query(insertTask, this.columns(taskId, definition, digest, 0));
    return task;
  }

  /** With dependencies: they are locked until the edges stand, so none of them can end unnoticed in between. */
  private async insertDependent(taskId: string, definition: StoredDefinition, digest: Buffer): Promise<TaskRow | undefined> {
    // its dependencies may have expired since; that is no reason to refuse the same definition now
    const known = await this.sameAgain(taskId, digest);
    if (known) {
      await this.refuseGroup(definition);
      return known;
    }
    return this.sql.transaction(async (runner) => {
      const satisfied = await this.lockAndCheck(taskId, definition, runner);
      const [task] = await runner.query(insertTask, this.columns(taskId, definition, digest, satisfied.filter((done) => !done).length));
      if (!task) return undefined;
      // a task that waits for itself waits for scheduleTask: its own edge counts, but must never be satisfied by its end
      const settled = definition.dependencies.map((dependency, index) => satisfied[index] || dependency === taskId);
      await runner.query(insertDependencies, [taskId, definition.dependencies, settled, definition.requires === 'all-resolved']);
      return task;
    });
  }

  /** Which dependencies are satisfied already. Throws InputError for those that are missing or expire too early. */
  private async lockAndCheck(taskId: string, definition: StoredDefinition, runner: Runner): Promise<boolean[]> {
    const found = new Map((await runner.query(lockDependencies, [definition.dependencies])).map((task) => [task.taskId, task]));
    const deadline = Date.parse(definition.deadline);
    const missing = definition.dependencies.filter((dependency) => dependency !== taskId && !found.has(dependency));
    const expiring = definition.dependencies.filter((dependency) => (found.get(dependency)?.expires.getTime() ?? deadline) < deadline);
    if (missing.length > 0) refuseDependencies('do not exist', 'create them first', missing);
    if (expiring.length > 0) refuseDependencies(`expire before the deadline ${definition.deadline}`, 'let them expire later', expiring);
    return definition.dependencies.map((dependency) => {
      const state = found.get(dependency)?.state;
      return state === 'completed' || (definition.requires === 'all-resolved' && (state === 'failed' || state === 'exception'));
    });
  }

  private columns(taskId: string, definition: StoredDefinition, digest: Buffer, unsatisfied: number): unknown[] {
    const { scopes, retries, expires, taskQueueId, taskGroupId, schedulerId, projectId, priority, deadline } = definition;
    const json = JSON.stringify(definition);
    const identity = [taskQueueId, taskGroupId, schedulerId, projectId, rankOf(priority)];
    return [taskId, json, digest, scopes, retries, expires, ...identity, deadline, unsatisfied, this.config.deadlineDelay];
  }

  /** The task, if it is known already by this definition; never asked within a transaction, which would take two connections. */
  private async sameAgain(taskId: string, digest: Buffer): Promise<TaskRow | undefined> {
    const [known] = await this.sql.query(findDefinition, [taskId]);
    if (!known) return undefined;
    if (known.digest.equals(digest)) return this.tasks.find(taskId);
    throw new ApiError('RequestConflict', `Task ${taskId} exists already with another definition; choose a new task id`);
  }

  /** Throws RequestConflict if the group does not take this task. */
  private async refuseGroup({ taskGroupId, schedulerId }: StoredDefinition): Promise<void> {
    const [group] = await this.sql.query(findGroup, [taskGroupId]);
    if (!group) return;
    if (group.sealed) throw new ApiError('RequestConflict', `Task group ${taskGroupId} is sealed; create the task in another group`);
    if (group.schedulerId === schedulerId) return;
    throw new ApiError(
      'RequestConflict',
      `Task group ${taskGroupId} belongs to schedulerId ${group.schedulerId}, not ${schedulerId}; use one of your own`,
    );
  }
}

function authorizeCreation(definition: StoredDefinition, caller: Caller): void {
  const { scopes, routes, projectId, schedulerId, priority, taskQueueId } = definition;
  // first: without it nobody makes us look through megabytes of scopes
  caller.require('queue:create-task:project:<projectId>', { projectId });
  caller.require(CREATE_TASK_SCOPES, { scopes, routes, projectId, schedulerId, taskQueueId, priorities: atLeast(priority) });
}

function refuseSlips({ scopes, dependencies }: StoredDefinition, mostDependencies: number): void {
  assertNoDoubleStar(scopes);
  if (dependencies.length <= mostDependencies) return;
  throw new ApiError(
    'InputError',
    `The task has ${dependencies.length} dependencies; this service allows ${mostDependencies} (TASK_MAX_DEPENDENCIES)`,
  );
}

function refuseDependencies(problem: string, fix: string, taskIds: string[]): never {
  const named = taskIds.slice(0, 20).join(', ') + (taskIds.length > 20 ? ` and ${taskIds.length - 20} more` : '');
  throw new ApiError('InputError', `${taskIds.length} dependencies ${problem}; ${fix}: ${named}`);
}

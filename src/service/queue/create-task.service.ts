import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';
import { Authority } from '../http/authority.js';
import type { Caller } from '../http/caller.js';
import { Turns } from '../http/turns.js';
import { HotSql } from '../postgres/hot-sql.js';
import { isUniqueViolation, Sql } from '../postgres/sql.js';
import { CheckSignature } from './check-signature.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { FindTask } from './find-task.service.js';
import { Lane, type LaneOptions } from './lane.js';
import { rankOf } from './priority.js';
import { createTasks } from './sql/create-tasks.js';
import { findDefinition } from './sql/find-definition.js';
import { findGroup } from './sql/find-group.js';
import { insertDependencies } from './sql/insert-dependencies.js';
import { insertTask } from './sql/insert-task.js';
import { lockDependencies } from './sql/lock-dependencies.js';
import type { TaskRow } from './sql/task-columns.js';
import type { CreateTaskRequest, TaskStatusResponse } from './task.dto.js';
import {
  assertSame,
  assertTakes,
  authorizedDefinition,
  creatorColumns,
  creatorValues,
  definitionColumns,
  dependenciesOf,
  identityColumns,
  type NewTask,
  newTask,
  signatureColumns,
  signatureValues,
} from './task-creation.js';
import type { StoredDefinition } from './task-definition.js';
import { statusOf } from './task-status.js';

/** What is larger than ten ordinary definitions goes alone: others would wait for it. In characters. */
const LARGEST_IN_COMPANY = 20_000;

/** Of 16 connections: those who had no luck in company may have to wait for locks, and others must find a connection. */
const MOST_ALONE = 6;
const MOST_WAITING = { all: 1_000, client: 500, strangers: 100 };

@Injectable()
export class CreateTaskService {
  /**
   * One for each account that creates at the moment. A company fails when one of it must wait, for a group or an id that a large batch
   * is creating: whoever brings that about has only itself for company.
   */
  private readonly lanes = new Map<string, Lane<NewTask, TaskRow>>();
  private readonly turns = new Turns('creations of tasks', MOST_ALONE, MOST_WAITING);

  constructor(
    private readonly sql: Sql,
    private readonly hot: HotSql,
    private readonly tasks: FindTask,
    private readonly desk: ClaimDesk,
    private readonly config: Config,
    private readonly authority: Authority,
    private readonly signatures: CheckSignature,
  ) {}

  /** Creates the task. The same definition again answers its status; another one under the same id, or a sealed group, is a conflict. */
  async createTask(taskId: string, request: CreateTaskRequest, caller: Caller): Promise<TaskStatusResponse> {
    await this.signatures.ready();
    const definition = authorizedDefinition(taskId, request, caller);
    const signed = this.signatures.check(taskId, definition, request.signature);
    const task = newTask(taskId, definition, signed, this.authority.trace(caller.creator, definition.scopes), this.config);
    const size = task.json.length + (signed.jws?.length ?? 0);
    const isSmall = task.definition.dependencies.length === 0 && size <= LARGEST_IN_COMPANY;
    const row = (isSmall && (await this.insertInCompany(task, caller.account))) || (await this.insert(task));
    if (row.state === 'pending') this.desk.announce(row.taskQueueId);
    return { status: statusOf(row) };
  }

  private async insertInCompany(task: NewTask, account: string): Promise<TaskRow | undefined> {
    const lane = this.lanes.get(account) ?? new Lane(this.companyOf(account));
    this.lanes.set(account, lane);
    try {
      return await lane.ask(task);
    } finally {
      if (lane.idle) this.lanes.delete(account);
    }
  }

  private companyOf(account: string): LaneOptions<NewTask, TaskRow> {
    return {
      together: (tasks) =>
        this.hot.query(createTasks, [
          ...companyColumns(tasks),
          this.config.deadlineDelay,
          ...creatorColumns(tasks),
          ...signatureColumns(tasks),
        ]),
      alone: (task) => this.turns.take(account, () => this.insert(task)),
    };
  }

  private async insert(task: NewTask): Promise<TaskRow> {
    try {
      return await this.tryInsert(task);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const known = await this.sameAgain(task);
      if (known) return known;
      throw error;
    }
  }

  /** A group that somebody else creates at this very moment is there at the second try. */
  private async tryInsert(task: NewTask): Promise<TaskRow> {
    for (let tries = 1; ; tries++) {
      const row = task.definition.dependencies.length === 0 ? await this.insertAlone(task) : await this.insertDependent(task);
      if (row) return row;
      await this.refuseGroup(task.definition);
      if (tries === 3) throw new Error(`the group of task ${task.taskId} came and went three times`);
    }
  }

  private async insertAlone(task: NewTask): Promise<TaskRow | undefined> {
    const [row] = await this.sql.query(insertTask, this.columns(task, 0));
    return row;
  }

  /** With dependencies: they are locked until the edges stand, so none of them can end unnoticed in between. */
  private async insertDependent(task: NewTask): Promise<TaskRow | undefined> {
    const { taskId, definition } = task;
    // its dependencies may have expired since; that is no reason to refuse the same definition now
    const known = await this.sameAgain(task);
    if (known) {
      await this.refuseGroup(definition);
      return known;
    }
    return this.sql.transaction(async (runner) => {
      const locked = await runner.query(lockDependencies, [definition.dependencies]);
      const { edges, unsatisfied } = dependenciesOf(task, new Map(locked.map((required) => [required.taskId, required])));
      const [row] = await runner.query(insertTask, this.columns(task, unsatisfied));
      if (!row) return undefined;
      const anyOutcome = definition.requires === 'all-resolved';
      await runner.query(insertDependencies, [
        edges.map(() => taskId),
        edges.map(({ required }) => required),
        edges.map(() => anyOutcome),
        edges.map(({ satisfied }) => satisfied),
      ]);
      return row;
    });
  }

  private columns(task: NewTask, unsatisfied: number): unknown[] {
    const { taskId, definition, digest, json } = task;
    const { scopes, retries, expires, taskQueueId, taskGroupId, schedulerId, projectId, priority, deadline } = definition;
    const identity = [taskQueueId, taskGroupId, schedulerId, projectId, rankOf(priority)];
    const times = [deadline, unsatisfied, this.config.deadlineDelay];
    return [taskId, json, digest, scopes, retries, expires, ...identity, ...times, ...creatorValues(task), ...signatureValues(task)];
  }

  /** The task, if it is known already by this definition; never asked within a transaction, which would take two connections. */
  private async sameAgain(task: NewTask): Promise<TaskRow | undefined> {
    const [known] = await this.sql.query(findDefinition, [task.taskId]);
    if (!known) return undefined;
    assertSame(task, known);
    return this.tasks.find(task.taskId);
  }

  /** Throws RequestConflict if the group does not take this task. */
  private async refuseGroup(definition: StoredDefinition): Promise<void> {
    const [group] = await this.sql.query(findGroup, [definition.taskGroupId]);
    assertTakes(group, definition);
  }
}

function companyColumns(tasks: readonly NewTask[]): unknown[] {
  return [...definitionColumns(tasks), ...identityColumns(tasks), tasks.map(({ definition }) => definition.deadline)];
}

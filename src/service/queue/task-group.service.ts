import { Injectable } from '@nestjs/common';
import { renderTemplate, type ScopeTemplate } from '../../scopes/scope-expression.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import type { PageQuery } from '../http/page.js';
import { Sql, type Statement } from '../postgres/sql.js';
import { ListTasks, taskAndStatus } from './list-tasks.service.js';
import type { CancelGroupResponse, GroupPriorityResponse, TaskGroupListResponse, TaskGroupResponse } from './lists.dto.js';
import { type Priority, rankOf } from './priority.js';
import { SettleService } from './settle.service.js';
import { cancelGroup } from './sql/cancel-group.js';
import { changeGroupPriority } from './sql/change-group-priority.js';
import { countGroup } from './sql/count-group.js';
import { describeGroup, type GroupRow } from './sql/describe-group.js';
import { listGroup } from './sql/list-group.js';
import { sealGroup } from './sql/seal-group.js';

/** Tasks changed by one statement: few enough that nobody waits long for their locks. */
const BATCH = 200;

/** Task groups: what belongs together and can be steered together. */
@Injectable()
export class TaskGroupService {
  constructor(
    private readonly sql: Sql,
    private readonly lists: ListTasks,
    private readonly settling: SettleService,
  ) {}

  async get(taskGroupId: string): Promise<TaskGroupResponse> {
    const group = await this.find(taskGroupId);
    if (!group) throw unknownGroup(taskGroupId);
    return describe(group);
  }

  async list(taskGroupId: string, query: PageQuery, caller: Caller): Promise<TaskGroupListResponse> {
    const group = await this.get(taskGroupId);
    const { items, ...more } = await this.lists.page(listGroup, taskGroupId, query, caller);
    return { ...group, tasks: items.map(taskAndStatus), ...more };
  }

  /** From now on the group takes no more tasks. There is no way back; repeating it changes nothing. */
  async seal(taskGroupId: string, caller: Caller): Promise<TaskGroupResponse> {
    await this.authorized(taskGroupId, caller, groupScopes('seal-task-group'));
    await this.sql.query(sealGroup, [taskGroupId]);
    return this.get(taskGroupId);
  }

  /** Cancels what has not ended. Only of a sealed group, because otherwise tasks could be added while it is cancelled. */
  async cancel(taskGroupId: string, caller: Caller): Promise<CancelGroupResponse> {
    const group = await this.authorized(taskGroupId, caller, groupScopes('cancel-task-group'));
    if (!group.sealed)
      throw new ApiError('RequestConflict', `Task group ${taskGroupId} is not sealed; seal it first, so that no task is added meanwhile`);
    const cancelled = await this.inBatches(cancelGroup, [taskGroupId], (task) => this.settling.settle(task));
    const [count] = await this.sql.query(countGroup, [taskGroupId]);
    return { taskGroupId, taskGroupSize: count?.size ?? 0, cancelledCount: cancelled.length, taskIds: cancelled };
  }

  async changePriority(taskGroupId: string, newPriority: Priority, caller: Caller): Promise<GroupPriorityResponse> {
    const { schedulerId } = await this.authorized(taskGroupId, caller, groupScopes('change-task-group-priority'));
    const taskIds = await this.inBatches(changeGroupPriority, [taskGroupId, rankOf(newPriority)], () => undefined);
    return { taskGroupId, schedulerId, newPriority, tasksAffected: taskIds.length, taskIds };
  }

  /** Repeats a statement that changes at most as many tasks as its last parameter says, until it finds no more. */
  private async inBatches<Row extends { taskId: string }>(
    statement: Statement<Row>,
    parameters: unknown[],
    follow: (row: Row) => unknown,
  ): Promise<string[]> {
    const taskIds: string[] = [];
    for (;;) {
      const rows = await this.sql.query(statement, [...parameters, BATCH]);
      for (const row of rows) await follow(row);
      taskIds.push(...rows.map((row) => row.taskId));
      if (rows.length < BATCH) return taskIds;
    }
  }

  private async find(taskGroupId: string): Promise<GroupRow | undefined> {
    const [group] = await this.sql.query(describeGroup, [taskGroupId]);
    return group;
  }

  /** The group, for an operation whose scopes name its scheduler; who may not see it gets one refusal whether it exists or not. */
  private async authorized(taskGroupId: string, caller: Caller, template: ScopeTemplate): Promise<GroupRow> {
    const group = await this.find(taskGroupId);
    const mayKnow = caller.holds(`queue:list-task-group:${taskGroupId}`);
    if (!group) throw mayKnow ? unknownGroup(taskGroupId) : caller.lacks(template);
    const required = renderTemplate(template, { taskGroupId, schedulerId: group.schedulerId });
    if (!caller.holds(required)) throw caller.lacks(mayKnow ? required : template);
    return group;
  }
}

export function groupScopes(verb: 'seal-task-group' | 'cancel-task-group' | 'change-task-group-priority'): ScopeTemplate {
  return `queue:${verb}:<schedulerId>/<taskGroupId>`;
}

function describe({ taskGroupId, schedulerId, expires, sealed }: GroupRow): TaskGroupResponse {
  return { taskGroupId, schedulerId, expires: expires.toISOString(), ...(sealed ? { sealed: sealed.toISOString() } : {}) };
}

function unknownGroup(taskGroupId: string): ApiError {
  return new ApiError('ResourceNotFound', `Task group ${taskGroupId} does not exist, or has expired`);
}

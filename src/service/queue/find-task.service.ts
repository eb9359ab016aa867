import { Injectable } from '@nestjs/common';
import { renderTemplate, type ScopeParams, type ScopeTemplate } from '../../scopes/scope-expression.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { Sql } from '../postgres/sql.js';
import { findDefinition } from './sql/find-definition.js';
import { findTask } from './sql/find-task.js';
import type { TaskRow } from './sql/task-columns.js';
import type { TaskDefinitionResponse } from './task.dto.js';
import { shownDefinition } from './task-definition.js';

/** Reads of tasks and queues. */
@Injectable()
export class FindTask {
  constructor(private readonly sql: Sql) {}

  async find(taskId: string): Promise<TaskRow | undefined> {
    const [task] = await this.sql.query(findTask, [taskId]);
    return task;
  }

  async get(taskId: string): Promise<TaskRow> {
    const task = await this.find(taskId);
    if (!task) throw unknownTask(taskId);
    return task;
  }

  async definition(taskId: string): Promise<TaskDefinitionResponse> {
    const [row] = await this.sql.query(findDefinition, [taskId]);
    if (!row) throw unknownTask(taskId);
    return shownDefinition({ ...row, isSigned: row.jws !== null });
  }

  /**
   * The task, for an operation whose scopes depend on it. Who may not see the task gets the same refusal whether it exists or
   * not: otherwise anybody could find out which tasks there are, and to whom they belong.
   */
  async authorized(taskId: string, caller: Caller, template: ScopeTemplate, parameters: ScopeParams = {}): Promise<TaskRow> {
    const task = await this.find(taskId);
    const mayKnow = caller.holds(`queue:status:${taskId}`);
    if (!task) throw mayKnow ? unknownTask(taskId) : caller.lacks(template);
    const { schedulerId, projectId, taskGroupId, taskQueueId } = task;
    const required = renderTemplate(template, { ...parameters, taskId, schedulerId, projectId, taskGroupId, taskQueueId });
    if (!caller.holds(required)) throw caller.lacks(mayKnow ? required : template);
    return task;
  }
}

function unknownTask(taskId: string): ApiError {
  return new ApiError('ResourceNotFound', `Task ${taskId} does not exist, or has expired`);
}

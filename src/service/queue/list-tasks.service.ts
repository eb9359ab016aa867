import { Injectable } from '@nestjs/common';
import type { Caller } from '../http/caller.js';
import { after, type PageQuery, pageSize, ready } from '../http/page.js';
import type { Statement } from '../postgres/sql.js';
import { DefinitionPages } from './definition-pages.js';
import { FindTask } from './find-task.service.js';
import type { DefinitionsResponse, DependentsResponse, StatusesResponse, TaskAndStatus } from './lists.dto.js';
import type { Defined, Paged } from './sql/definition-columns.js';
import { listDefinitions } from './sql/list-definitions.js';
import { listDependents } from './sql/list-dependents.js';
import { listStatuses } from './sql/list-statuses.js';
import type { TaskRow } from './sql/task-columns.js';
import { shownDefinition } from './task-definition.js';
import { statusOf } from './task-status.js';

/** Pages of tasks, by task id. */
@Injectable()
export class ListTasks {
  constructor(
    private readonly tasks: FindTask,
    private readonly pages: DefinitionPages,
  ) {}

  async definitions(taskIds: string[], query: PageQuery, caller: Caller): Promise<DefinitionsResponse> {
    const { items, ...more } = await this.page(listDefinitions, taskIds, query, caller);
    return { tasks: items.map((row) => ({ taskId: row.taskId, task: shownDefinition(row) })), ...more };
  }

  async statuses(taskIds: string[], query: PageQuery, caller: Caller): Promise<StatusesResponse> {
    const { items, ...more } = await this.page(listStatuses, taskIds, query, caller);
    return { statuses: items.map((row) => ({ taskId: row.taskId, status: statusOf(row) })), ...more };
  }

  async dependents(taskId: string, query: PageQuery, caller: Caller): Promise<DependentsResponse> {
    await this.tasks.get(taskId);
    const { items, ...more } = await this.page(listDependents, taskId, query, caller);
    return { taskId, tasks: items.map(taskAndStatus), ...more };
  }

  /** Runs a statement of a page of tasks: `$1 what, $2 after this task, $3 at most so many`. */
  async page<Row extends Paged & { taskId: string }>(
    statement: Statement<Row>,
    what: unknown,
    { limit, token }: PageQuery,
    caller: Caller,
  ) {
    return ready(await this.pages.read(statement, [what, after(token), pageSize(limit)], caller), (row) => [row.taskId]);
  }
}

export function taskAndStatus(row: TaskRow & Defined): TaskAndStatus {
  return { task: shownDefinition(row), status: statusOf(row) };
}

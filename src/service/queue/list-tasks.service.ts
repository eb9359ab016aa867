import { Injectable } from '@nestjs/common';
import { after, cut, type PageQuery, pageSize } from '../http/page.js';
import { Sql, type Statement } from '../postgres/sql.js';
import { FindTask } from './find-task.service.js';
import type { DefinitionsResponse, DependentsResponse, StatusesResponse, TaskAndStatus } from './lists.dto.js';
import { listDefinitions } from './sql/list-definitions.js';
import { listDependents } from './sql/list-dependents.js';
import { listStatuses } from './sql/list-statuses.js';
import type { TaskRow } from './sql/task-columns.js';
import { type StoredDefinition, withRank } from './task-definition.js';
import { statusOf } from './task-status.js';

/** Pages of tasks, by task id. */
@Injectable()
export class ListTasks {
  constructor(
    private readonly sql: Sql,
    private readonly tasks: FindTask,
  ) {}

  async definitions(taskIds: string[], query: PageQuery): Promise<DefinitionsResponse> {
    const { items, ...more } = await this.page(listDefinitions, taskIds, query);
    return { tasks: items.map(({ taskId, definition, rank }) => ({ taskId, task: withRank(definition, rank) })), ...more };
  }

  async statuses(taskIds: string[], query: PageQuery): Promise<StatusesResponse> {
    const { items, ...more } = await this.page(listStatuses, taskIds, query);
    return { statuses: items.map((row) => ({ taskId: row.taskId, status: statusOf(row) })), ...more };
  }

  async dependents(taskId: string, query: PageQuery): Promise<DependentsResponse> {
    await this.tasks.get(taskId);
    const { items, ...more } = await this.page(listDependents, taskId, query);
    return { taskId, tasks: items.map(taskAndStatus), ...more };
  }

  /** Runs a statement of `$1 what, $2 after this task, $3 at most so many`; one row more than asked for tells that there are more. */
  async page<Row extends { taskId: string }>(statement: Statement<Row>, what: unknown, { limit, token }: PageQuery) {
    const size = pageSize(limit);
    return cut(await this.sql.query(statement, [what, after(token), size + 1]), size, (row) => [row.taskId]);
  }
}

export function taskAndStatus(row: TaskRow & { definition: StoredDefinition }): TaskAndStatus {
  return { task: withRank(row.definition, row.rank), status: statusOf(row) };
}

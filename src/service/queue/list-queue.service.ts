import { Injectable } from '@nestjs/common';
import type { Caller } from '../http/caller.js';
import { afterTime, type PageQuery, pageSize, ready } from '../http/page.js';
import type { Statement } from '../postgres/sql.js';
import { DefinitionPages } from './definition-pages.js';
import type { ClaimedTasksResponse, PendingTaskListResponse } from './lists.dto.js';
import type { Defined } from './sql/definition-columns.js';
import { listClaimed } from './sql/list-claimed.js';
import { listPending } from './sql/list-pending.js';
import { shownDefinition } from './task-definition.js';

/** What waits in a task queue, and what of it runs; oldest first. */
@Injectable()
export class ListQueue {
  constructor(private readonly pages: DefinitionPages) {}

  async pending(taskQueueId: string, query: PageQuery, caller: Caller): Promise<PendingTaskListResponse> {
    const { items, ...more } = await this.page(listPending, taskQueueId, query, caller, (row) => row.scheduled);
    return { tasks: items.map((row) => ({ ...named(row), inserted: row.scheduled.toISOString() })), ...more };
  }

  async claimed(taskQueueId: string, query: PageQuery, caller: Caller): Promise<ClaimedTasksResponse> {
    const { items, ...more } = await this.page(listClaimed, taskQueueId, query, caller, (row) => row.started);
    const tasks = items.map((row) => {
      const { workerGroup, workerId, started } = row;
      return { ...named(row), workerGroup, workerId, claimed: started.toISOString() };
    });
    return { tasks, ...more };
  }

  /** Runs a statement of a page of definitions: `$1 task queue, $2 and $3 after this time and task, $4 at most so many`. */
  private async page<Row extends Defined & { taskId: string }>(
    statement: Statement<Row>,
    taskQueueId: string,
    { limit, token }: PageQuery,
    caller: Caller,
    at: (row: Row) => Date,
  ) {
    const items = await this.pages.read(statement, [taskQueueId, ...afterTime(token), pageSize(limit)], caller);
    return ready(items, (row) => [at(row).toISOString(), row.taskId]);
  }
}

function named(row: Defined & { taskId: string; runId: number; rank: number }) {
  return { taskId: row.taskId, runId: row.runId, task: shownDefinition(row) };
}

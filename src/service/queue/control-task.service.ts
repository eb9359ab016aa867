import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { Sql } from '../postgres/sql.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { FindTask } from './find-task.service.js';
import { type Priority, rankOf } from './priority.js';
import { MOST_RUNS } from './run-state.js';
import { SettleService } from './settle.service.js';
import { cancelTask } from './sql/cancel-task.js';
import { changePriority } from './sql/change-priority.js';
import { rerunTask } from './sql/rerun-task.js';
import { satisfyDependents } from './sql/satisfy-dependents.js';
import { scheduleTask } from './sql/schedule-task.js';
import type { TaskRow } from './sql/task-columns.js';
import type { TaskStatusResponse } from './task.dto.js';
import { statusOf } from './task-status.js';

/** Who may steer a task: by task, by project, or as its scheduler. */
export function steeringScopes(verb: 'schedule-task' | 'cancel-task' | 'rerun-task') {
  return {
    AnyOf: [
      `queue:${verb}:<schedulerId>/<taskGroupId>/<taskId>`,
      `queue:${verb}-in-project:<projectId>`,
      { AllOf: [`queue:${verb}`, 'assume:scheduler-id:<schedulerId>/<taskGroupId>'] },
    ],
  };
}

export const CHANGE_PRIORITY_SCOPES = {
  AnyOf: ['queue:change-task-priority:<taskId>', 'queue:change-task-priority-in-queue:<taskQueueId>'],
};

/** What schedulers do to a task from outside. Each does nothing, and succeeds, where the task is already as asked. */
@Injectable()
export class ControlTaskService {
  constructor(
    private readonly sql: Sql,
    private readonly tasks: FindTask,
    private readonly desk: ClaimDesk,
    private readonly settling: SettleService,
    private readonly config: Config,
  ) {}

  async schedule(taskId: string, caller: Caller): Promise<TaskStatusResponse> {
    await this.tasks.authorized(taskId, caller, steeringScopes('schedule-task'));
    const [task] = await this.sql.query(scheduleTask, [taskId]);
    if (task) this.desk.announce(task.taskQueueId);
    return { status: statusOf(task ?? (await this.unchanged(taskId))) };
  }

  async cancel(taskId: string, caller: Caller): Promise<TaskStatusResponse> {
    await this.tasks.authorized(taskId, caller, steeringScopes('cancel-task'));
    const [canceled] = await this.sql.query(cancelTask, [taskId]);
    if (!canceled) return { status: statusOf(await this.unchanged(taskId)) };
    await this.settling.settle(canceled);
    return { status: statusOf(await this.tasks.get(taskId)) };
  }

  /** Gives a task that has not ended another priority. Asking for the one it has is fine. */
  async changePriority(taskId: string, newPriority: Priority, caller: Caller): Promise<TaskStatusResponse> {
    await this.tasks.authorized(taskId, caller, CHANGE_PRIORITY_SCOPES);
    const [task] = await this.sql.query(changePriority, [taskId, rankOf(newPriority)]);
    if (task) return { status: statusOf(task) };
    const { state } = await this.unchanged(taskId);
    throw new ApiError('RequestConflict', `Task ${taskId} is ${state}; the priority of a task that has ended means nothing`);
  }

  async rerun(taskId: string, caller: Caller): Promise<TaskStatusResponse> {
    await this.tasks.authorized(taskId, caller, steeringScopes('rerun-task'));
    if (await this.startAgain(taskId)) return { status: statusOf(await this.tasks.get(taskId)) };
    const task = await this.unchanged(taskId);
    if (task.state !== 'pending' && task.state !== 'running') {
      throw new ApiError('RequestConflict', `Task ${taskId} has had ${MOST_RUNS} runs, the most there can be; create a new task`);
    }
    return { status: statusOf(task) };
  }

  /** Who waits for the task is told first how it ended, which locks it: the next run must not take that back. */
  private async startAgain(taskId: string): Promise<boolean> {
    const [unblocked, again] = await this.sql.transaction(async (runner) => [
      await runner.query(satisfyDependents, [taskId]),
      await runner.query(rerunTask, [taskId, this.config.deadlineDelay]),
    ]);
    for (const taskQueueId of new Set([...unblocked, ...again].map((task) => task.taskQueueId))) this.desk.announce(taskQueueId);
    return again.length > 0;
  }

  /** The task as it is; a conflict if its deadline is what kept it so. */
  private async unchanged(taskId: string): Promise<TaskRow> {
    const task = await this.tasks.get(taskId);
    if (!task.pastDeadline) return task;
    throw new ApiError('RequestConflict', `The deadline of task ${taskId}, ${task.deadline.toISOString()}, has passed; create a new task`);
  }
}

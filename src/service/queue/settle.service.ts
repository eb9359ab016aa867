import { Injectable } from '@nestjs/common';
import { Sql } from '../postgres/sql.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { satisfyDependents } from './sql/satisfy-dependents.js';

/** What follows from the end of a task. */
@Injectable()
export class SettleService {
  constructor(
    private readonly sql: Sql,
    private readonly desk: ClaimDesk,
  ) {}

  /** Tells the dependents of a resolved task, and announces those that became pending. Repeating it does no harm. */
  async settle(task: { taskId: string; hasDependents: boolean }): Promise<void> {
    if (!task.hasDependents) return;
    const unblocked = await this.sql.query(satisfyDependents, [task.taskId]);
    for (const taskQueueId of new Set(unblocked.map((dependent) => dependent.taskQueueId))) this.desk.announce(taskQueueId);
  }
}

import { Injectable } from '@nestjs/common';
import { taskQueueNames } from '../http/identifiers.js';
import { Turns } from '../http/turns.js';
import { Sql } from '../postgres/sql.js';
import { countTasks } from './sql/count-tasks.js';
import type { TaskQueueCountsResponse } from './task.dto.js';

/** To count 690 000 takes 30 000 pages: no more than so many connections are busy with it, and others wait for their turn. */
const AT_ONCE = 2;
const ROOM = { all: 64, client: 32, strangers: 16 };

/** To count so many takes about a millisecond of a connection. */
const COUNTED_EACH_MS = 1_000;

/** A count of many is told again for ten times as long as it takes; one of few is always made anew. */
const MANY = 10_000;
const TIMES = 10;
const MOST_KEPT = 1_000;

interface Count {
  asked: Promise<TaskQueueCountsResponse>;
  /** Milliseconds of performance.now(). */
  until: number;
}

/** How many tasks wait in a queue and how many run: who asks while somebody counts, or soon after, is told the same. */
@Injectable()
export class QueueCounts {
  private readonly turns = new Turns('counts of tasks', AT_ONCE, ROOM);
  private readonly kept = new Map<string, Count>();

  constructor(private readonly sql: Sql) {}

  /** Throws ServiceUnavailable. */
  of(taskQueueId: string, account: string): Promise<TaskQueueCountsResponse> {
    const known = this.kept.get(taskQueueId);
    if (known && known.until > performance.now()) return known.asked;
    if (this.kept.size >= MOST_KEPT) this.kept.clear();
    const count: Count = { asked: this.turns.take(account, () => this.count(taskQueueId)), until: Number.POSITIVE_INFINITY };
    this.kept.set(taskQueueId, count);
    const forget = () => this.kept.get(taskQueueId) === count && this.kept.delete(taskQueueId);
    count.asked.then(({ pendingTasks, claimedTasks }) => {
      const sum = pendingTasks + claimedTasks;
      if (sum < MANY) forget();
      else count.until = performance.now() + (TIMES * sum) / COUNTED_EACH_MS;
    }, forget);
    return count.asked;
  }

  private async count(taskQueueId: string): Promise<TaskQueueCountsResponse> {
    const [counts] = await this.sql.query(countTasks, [taskQueueId]);
    return { ...taskQueueNames(taskQueueId), pendingTasks: counts?.pendingTasks ?? 0, claimedTasks: counts?.claimedTasks ?? 0 };
  }
}

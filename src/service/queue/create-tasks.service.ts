import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';
import { Authority } from '../http/authority.js';
import type { Caller } from '../http/caller.js';
import { inTurns } from '../http/in-turns.js';
import { Turns } from '../http/turns.js';
import { type Runner, Sql } from '../postgres/sql.js';
import { CheckSignature } from './check-signature.js';
import { ClaimDesk } from './claims/claim-desk.js';
import type { CreateTasksRequest, CreateTasksResponse } from './create-tasks.dto.js';
import { findDigests } from './sql/find-digests.js';
import { holdGroups } from './sql/hold-groups.js';
import { insertDefinitions } from './sql/insert-definitions.js';
import { insertDependencies } from './sql/insert-dependencies.js';
import { insertGroups } from './sql/insert-groups.js';
import { insertTasks } from './sql/insert-tasks.js';
import { listStatuses } from './sql/list-statuses.js';
import { lockDependencies } from './sql/lock-dependencies.js';
import type { TaskRow } from './sql/task-columns.js';
import { checkBatch, type NumberedTask, refusedAs } from './task-batch.js';
import {
  assertSame,
  assertTakes,
  creatorColumns,
  definitionColumns,
  dependenciesOf,
  identityColumns,
  type NewTask,
  type RequiredTask,
  signatureValues,
} from './task-creation.js';
import { statusOf } from './task-status.js';

/** A batch holds a connection for a second or more, and claims must find a free one. 24 others are done within ten seconds. */
const MOST_AT_ONCE = 4;
const MOST_WAITING = { all: 24, client: 12, strangers: 2 };

type Found = Map<string, RequiredTask>;

/** Somebody has created a task that others of the batch depend on, since we looked. */
class Overtaken extends Error {}

/**
 * Creates many tasks or none. Everybody locks in one order, so that batches wait for one another and for createTask but never in
 * a circle: required tasks, groups, the ids of new tasks, each sorted.
 */
@Injectable()
export class CreateTasksService {
  private readonly turns = new Turns('batches of tasks', MOST_AT_ONCE, MOST_WAITING);

  constructor(
    private readonly sql: Sql,
    private readonly desk: ClaimDesk,
    private readonly config: Config,
    private readonly authority: Authority,
    private readonly signatures: CheckSignature,
  ) {}

  /** Tasks that exist already by the same definition are answered as they are, so that a batch can be repeated. Throws ServiceUnavailable. */
  async createTasks({ tasks }: CreateTasksRequest, caller: Caller): Promise<CreateTasksResponse> {
    await this.signatures.ready();
    const batch = await inTurns(checkBatch(tasks, caller, this.signatures, this.authority, this.config));
    const rows = await this.turns.take(caller.account, () => this.insert(batch));
    const pending = [...rows.values()].filter(({ state }) => state === 'pending');
    for (const taskQueueId of new Set(pending.map((row) => row.taskQueueId))) this.desk.announce(taskQueueId);
    return { tasks: tasks.map(({ taskId }) => ({ taskId, status: statusOf(rows.get(taskId)!) })) };
  }

  /** Each time it is overtaken there is one task less by which it can be. */
  private async insert(batch: NumberedTask[]): Promise<Map<string, TaskRow>> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.sql.transaction((runner) => this.tryInsert(batch, runner));
      } catch (error) {
        if (!(error instanceof Overtaken) || tries > batch.length) throw error;
      }
    }
  }

  private async tryInsert(batch: NumberedTask[], runner: Runner): Promise<Map<string, TaskRow>> {
    const required = [...new Set(batch.flatMap(({ definition }) => definition.dependencies))];
    const found = await lock(required, runner);
    await joinGroups(batch, runner);
    const known = await takeIds(batch, runner);
    // its creator may hold it and wait for an id of ours: to lock it now would be out of order
    if (required.some((taskId) => known.has(taskId) && !found.has(taskId))) throw new Overtaken();
    const fresh = batch.filter(({ taskId }) => !known.has(taskId));
    const created = fresh.length > 0 ? await this.insertFresh(fresh, found, runner) : [];
    const before = known.size > 0 ? await runner.query(listStatuses, [[...known], '', known.size]) : [];
    return new Map([...created, ...before].map((row) => [row.taskId, row]));
  }

  private async insertFresh(fresh: NumberedTask[], found: Found, runner: Runner): Promise<TaskRow[]> {
    for (const { taskId, definition } of fresh) found.set(taskId, { state: 'unscheduled', expires: new Date(definition.expires) });
    const waiting = fresh.map((task) => ({ task, ...refusedAs(task.index, () => dependenciesOf(task, found)) }));
    const edges = waiting.flatMap(({ task, edges }) => edges.map((edge) => ({ ...edge, task })));
    const needed = new Set(edges.map(({ required }) => required));
    const rows = await runner.query(insertTasks, [
      ...taskColumns(fresh),
      waiting.map(({ unsatisfied }) => unsatisfied),
      fresh.map(({ taskId }) => needed.has(taskId)),
      this.config.deadlineDelay,
      fresh.map((task) => signatureValues(task)[1]),
    ]);
    if (edges.length > 0) {
      await runner.query(insertDependencies, [
        edges.map(({ task }) => task.taskId),
        edges.map(({ required }) => required),
        edges.map(({ task }) => task.definition.requires === 'all-resolved'),
        edges.map(({ satisfied }) => satisfied),
      ]);
    }
    return rows;
  }
}

/** From here on none of these can end before the edges stand. */
async function lock(taskIds: string[], runner: Runner): Promise<Found> {
  const rows = taskIds.length > 0 ? await runner.query(lockDependencies, [taskIds]) : [];
  return new Map(rows.map((row) => [row.taskId, row]));
}

/** Throws RequestConflict if a group does not take its tasks. A new group belongs to the scheduler of its first task. */
async function joinGroups(batch: NumberedTask[], runner: Runner): Promise<void> {
  const schedulers = new Map(batch.toReversed().map(({ definition }) => [definition.taskGroupId, definition.schedulerId]));
  const taskGroupIds = [...schedulers.keys()];
  for (let tries = 1; tries <= 3; tries++) {
    await runner.query(insertGroups, [taskGroupIds, [...schedulers.values()]]);
    const groups = new Map((await runner.query(holdGroups, [taskGroupIds])).map((group) => [group.taskGroupId, group]));
    for (const { index, definition } of batch) refusedAs(index, () => assertTakes(groups.get(definition.taskGroupId), definition));
    if (groups.size === taskGroupIds.length) return;
  }
  throw new Error('groups of a batch came and went three times');
}

/** Stores the definitions that are new and answers the ids that are not. Throws RequestConflict if one has another definition. */
async function takeIds(batch: NumberedTask[], runner: Runner): Promise<Set<string>> {
  const columns = [...definitionColumns(batch), ...creatorColumns(batch), batch.map((task) => signatureValues(task)[0])];
  const taken = new Set((await runner.query(insertDefinitions, columns)).map(({ taskId }) => taskId));
  const known = batch.filter(({ taskId }) => !taken.has(taskId));
  if (known.length === 0) return new Set();
  const digests = await runner.query(findDigests, [known.map(({ taskId }) => taskId)]);
  const stored = new Map(digests.map((one) => [one.taskId, one]));
  for (const task of known) refusedAs(task.index, () => assertSame(task, stored.get(task.taskId)));
  return new Set(stored.keys());
}

function taskColumns(batch: NewTask[]): unknown[] {
  const of = <T>(read: (definition: NewTask['definition']) => T) => batch.map(({ definition }) => read(definition));
  return [
    batch.map(({ taskId }) => taskId),
    ...identityColumns(batch),
    of(({ retries }) => retries),
    of(({ deadline }) => deadline),
    of(({ expires }) => expires),
  ];
}

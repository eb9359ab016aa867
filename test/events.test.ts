import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { EventHistory } from '../src/service/events/event-history.js';
import { EVENT_KINDS } from '../src/service/events/event-message.js';
import { EVENT_HORIZON } from '../src/service/postgres/outbox.js';
import { Sql } from '../src/service/postgres/sql.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { type Api, definition, slugid } from './support/api.js';
import { assertEvent } from './support/contract.js';
import { EventReader, eventsPath } from './support/event-reader.js';
import { ok, refused, Tasks, untilDone, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let root: Api;
let tasks: Tasks;
const readers: EventReader[] = [];

beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600 });
  root = test.root;
  tasks = new Tasks(root, test.database);
});
afterEach(() => {
  for (const reader of readers.splice(0)) reader.close();
});
afterAll(() => test.close());

async function follow(query: Record<string, string> = {}, api = root, lastEventId?: string): Promise<EventReader> {
  if (lastEventId === undefined) await pastIsTold();
  const reader = await EventReader.open(api, query, lastEventId);
  readers.push(reader);
  return reader;
}

/** A stream begins at the horizon, which anybody's open transaction (say, autovacuum's) holds back; what is above it would be told, too. */
async function pastIsTold(): Promise<void> {
  await untilDone(async () => {
    const { rows } = await test.database.pool.query(`select exists (select from event where tx >= ${EVENT_HORIZON}) as above`);
    return rows[0].above ? 'more' : 'done';
  });
}

const sweep = () => test.service.app.get(SweepService).sweep();
const claimed = async (taskId: string) => root.as((await ok(tasks.claimTask(taskId))).credentials);

describe('what is told', () => {
  it('a task from its definition to its end, in order, each with the status as it was then', async () => {
    const taskGroupId = slugid();
    const reader = await follow({ taskGroupId });
    const taskId = await tasks.create({ taskGroupId, tags: { colour: 'blue' } });
    await tasks.run('completed', taskId);
    await sweep();
    const events = await reader.next(5);
    expect(reader.kinds()).toEqual(['task-defined', 'task-pending', 'task-running', 'task-completed', 'task-group-resolved']);
    const [defined, pending, running, completed, resolved] = events.map(({ data }) => data);
    const { runs, ...rest } = await tasks.status(taskId);
    expect(completed).toEqual({ version: 1, status: { ...rest, runs }, runId: 0, ...WORKER, task: { tags: { colour: 'blue' } } });
    const [{ scheduled, started, takenUntil, reasonCreated }] = runs;
    const pendingRun = { runId: 0, state: 'pending', reasonCreated, scheduled };
    expect(defined).toEqual({ version: 1, status: { ...rest, state: 'pending', runs: [pendingRun] }, task: { tags: { colour: 'blue' } } });
    expect(pending).toEqual({ ...defined, runId: 0 });
    const runningRun = { ...pendingRun, state: 'running', started, takenUntil, ...WORKER };
    expect(running).toEqual({
      ...{ version: 1, runId: 0, ...WORKER, takenUntil, task: { tags: { colour: 'blue' } } },
      status: { ...rest, state: 'running', runs: [runningRun] },
    });
    const { expires } = await ok(root.get(`/queue/v1/task-group/${taskGroupId}`));
    expect(resolved).toEqual({ version: 1, taskGroupId, schedulerId: '-', expires });
  });

  it.each([
    ['failed', ['task-failed'], 'failed'],
    ['malformed-payload', ['task-exception'], 'exception'],
    ['worker-shutdown', ['task-exception', 'task-pending'], 'pending'],
  ])('a run that ends as %s: %j', async (outcome, kinds, state) => {
    const taskId = await tasks.create();
    const reader = await follow({ taskId, kind: 'task-failed,task-exception,task-pending' });
    await tasks.run(outcome, taskId);
    const [, ended] = await reader.next(1 + kinds.length);
    expect(reader.kinds()).toEqual(['task-status', ...kinds]);
    expect(ended?.data).toMatchObject({
      runId: 0,
      ...WORKER,
      status: { state, runs: [{ runId: 0, reasonResolved: outcome }, {}].slice(0, kinds.length) },
    });
  });

  it('a lease that lapses, with a retry and without; a deadline; each names the worker', async () => {
    const [retried, spent, late] = await Promise.all([tasks.create(), tasks.create({ retries: 0 }), tasks.create()]);
    const reader = await follow({ kind: 'task-exception' });
    for (const taskId of [retried, spent, late]) await ok(tasks.claimTask(taskId as string));
    for (const taskId of [retried, spent]) await tasks.lapse(taskId as string);
    await tasks.alter(late as string, `deadline = now() - interval '1 hour', due = now() - interval '1 second'`);
    await sweep();
    const events = await reader.next(3);
    const byTask = new Map(events.map(({ data }) => [data.status.taskId, data]));
    expect(byTask.get(retried)).toMatchObject({
      runId: 0,
      ...WORKER,
      status: { state: 'pending', runs: [{ reasonResolved: 'claim-expired' }, {}] },
    });
    expect(byTask.get(spent)).toMatchObject({
      runId: 0,
      ...WORKER,
      status: { state: 'exception', runs: [{ reasonResolved: 'claim-expired' }] },
    });
    expect(byTask.get(late)).toMatchObject({ runId: 0, ...WORKER, status: { runs: [{ reasonResolved: 'deadline-exceeded' }] } });
  });

  it('cancel, rerun, schedule and what a dependency unblocks', async () => {
    const taskGroupId = slugid();
    const reader = await follow({ taskGroupId });
    const required = await tasks.create({ taskGroupId });
    const waiting = await tasks.create({ taskGroupId, dependencies: [required] });
    const forced = slugid();
    await tasks.create({ taskGroupId, dependencies: [forced] }, forced);
    await ok(tasks.steer('schedule', forced));
    await ok(tasks.steer('cancel', forced));
    await ok(tasks.steer('rerun', forced));
    await tasks.run('completed', required);
    await reader.next(10);
    const told = reader.events.map(({ kind, data }) => [kind, [required, waiting, forced].indexOf(data.status.taskId)]);
    expect(told).toEqual([
      ['task-defined', 0],
      ['task-pending', 0],
      ['task-defined', 1],
      ['task-defined', 2],
      ['task-pending', 2],
      ['task-exception', 2],
      ['task-pending', 2],
      ['task-running', 0],
      ['task-completed', 0],
      ['task-pending', 1],
    ]);
    expect(reader.events[2]?.data.status).toMatchObject({ state: 'unscheduled', runs: [] });
    expect(reader.events[6]?.data).toMatchObject({ runId: 1, status: { runs: [{ reasonResolved: 'canceled' }, { state: 'pending' }] } });
  });

  it('priorities of a task and a group, and a seal; nothing where nothing changes', async () => {
    const taskGroupId = slugid();
    const one = await tasks.create({ taskGroupId, priority: 'low' });
    const two = await tasks.create({ taskGroupId, priority: 'low' });
    const reader = await follow({ taskGroupId });
    for (let times = 0; times < 2; times++) {
      await ok(root.post(`/queue/v1/task/${one}/priority`, { newPriority: 'high' }));
      await ok(root.post(`/queue/v1/task-group/${taskGroupId}/priority`, { newPriority: 'highest' }));
      await ok(root.post(`/queue/v1/task/${one}/priority`, { newPriority: 'highest' }));
      await ok(root.post(`/queue/v1/task-group/${taskGroupId}/seal`));
      if (times === 0) await ok(root.post(`/queue/v1/task/${one}/priority`, { newPriority: 'highest' }));
    }
    await ok(tasks.steer('cancel', two));
    await reader.next(8);
    const sealed = (await ok(root.get(`/queue/v1/task-group/${taskGroupId}`))).sealed;
    expect(reader.kinds().filter((kind) => kind === 'task-group-sealed')).toHaveLength(1);
    expect(reader.events[0]?.data).toMatchObject({ oldPriority: 'low', newPriority: 'high', status: { taskId: one, priority: 'high' } });
    expect(reader.events[0]?.data).not.toHaveProperty('task');
    const group = reader.events.filter(({ kind }) => kind === 'task-group-priority-changed').map(({ data }) => data);
    expect(group).toEqual([
      { version: 1, taskGroupId, schedulerId: '-', newPriority: 'highest', tasksAffected: 2 },
      { version: 1, taskGroupId, schedulerId: '-', newPriority: 'highest', tasksAffected: 1 },
    ]);
    expect(reader.events.find(({ kind }) => kind === 'task-group-sealed')?.data).toMatchObject({ taskGroupId, schedulerId: '-', sealed });
  });

  it('a group is resolved when its last task is, and again when that was run again; two at once are not missed', async () => {
    const taskGroupId = slugid();
    const reader = await follow({ taskGroupId, kind: 'task-group-resolved' });
    const both = await Promise.all([tasks.create({ taskGroupId }), tasks.create({ taskGroupId })]);
    const open = await tasks.create({ taskGroupId });
    await tasks.run('completed', open);
    await sweep();
    await Promise.all(both.map((taskId) => tasks.run('failed', taskId)));
    await sweep();
    await reader.next(1);
    await sweep();
    await ok(tasks.steer('rerun', open));
    await tasks.run('completed', open, 1);
    await sweep();
    await reader.next(2);
    const marker = await tasks.create({ taskGroupId }); // nothing more was under way
    await ok(tasks.steer('cancel', marker));
    await sweep();
    expect(await reader.next(3)).toHaveLength(3);
  });

  it('a group is told to be resolved once, also when the ends of its tasks are read apart', async () => {
    const taskGroupId = slugid();
    const [one, two] = [await tasks.create({ taskGroupId }), await tasks.create({ taskGroupId })];
    await ok(tasks.steer('cancel', one));
    await test.database.pool.query(
      `insert into event (kind, task_group_id, scheduler_id) select 'task-defined', 'other', 's' from generate_series(1, 4000)`,
    );
    await ok(tasks.steer('cancel', two));
    await untilDone(sweep);
    const told = await test.database.pool.query(`select from event where task_group_id = $1 and kind = 'task-group-resolved'`, [
      taskGroupId,
    ]);
    expect(told.rowCount).toBe(1);
    await test.database.pool.query(`delete from event where task_group_id = 'other'`); // they are not whole
  });

  it('a group is told just when one of its tasks has ended and none is open, in whatever order they end and run again', async () => {
    const { pool } = test.database;
    const far = `now() + interval '1 day'`;
    const create = (taskGroupId: string, ids: string[]) =>
      pool.query(
        `insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires,
                           unsatisfied, state, run_id, due)
         select id, 'q/q', $1, '-', 'none', 4, 5, ${far}, ${far}, 0, 'running', 0, ${far} from unnest($2::text[]) as id on conflict do nothing`,
        [taskGroupId, ids],
      );
    /** Ends these tasks, or runs them again; how many are open then. */
    const change = async (taskGroupId: string, ids: string[], state: string) => {
      await pool.query(`update task set state = $2 where task_id = any($1)`, [ids, state]);
      if (state === 'completed') {
        await pool.query(`insert into event (kind, task_group_id, scheduler_id) select 'task-completed', $1, '-' from unnest($2::text[])`, [
          taskGroupId,
          ids,
        ]);
      }
      await untilDone(sweep);
      const { rows } = await pool.query(`select task_id from task where task_group_id = $1 and state = 'running'`, [taskGroupId]);
      return rows.length;
    };
    const told = async (taskGroupId: string) =>
      (await pool.query(`select from event where task_group_id = $1 and kind = 'task-group-resolved'`, [taskGroupId])).rowCount;
    const moves = fc.array(fc.tuple(fc.boolean(), fc.nat(449), fc.constantFrom(1, 40, 250, 450)), { minLength: 4, maxLength: 8 });
    let rememberedAt = 0;
    const holds = fc.asyncProperty(moves, async (list) => {
      const taskGroupId = slugid();
      const ids = Array.from({ length: 450 }, () => slugid()).sort();
      await pool.query(`insert into task_group (task_group_id, scheduler_id) values ($1, '-')`, [taskGroupId]);
      await create(
        taskGroupId,
        ids.filter((_, nth) => nth % 9),
      );
      let resolved = 0;
      const steps = [...list, [false, 400, 40], [true, 0, 250], [false, 3, 1], [true, 250, 450], [true, 3, 1]] as typeof list;
      for (const [ends, from, count] of steps) {
        if (!ends)
          await create(
            taskGroupId,
            ids.filter((_, nth) => nth % 9 === 0 && nth === from),
          );
        const open = await change(taskGroupId, ids.slice(from, from + count), ends ? 'completed' : 'running');
        if (ends && open === 0) resolved++;
        expect(await told(taskGroupId)).toBe(resolved);
        const { rows } = await pool.query('select open_task_id from task_group where task_group_id = $1', [taskGroupId]);
        if (rows[0].open_task_id) rememberedAt++;
      }
      expect(resolved).toBeGreaterThan(0);
    });
    try {
      await fc.assert(holds, { numRuns: 15 });
      expect(rememberedAt).toBeGreaterThan(15);
    } finally {
      await pool.query(`delete from event where task_group_id in (select task_group_id from task where task_queue_id = 'q/q')`); // they are not whole
    }
  }, 60_000);

  it('a change that is refused, or is none, tells nothing', async () => {
    const taskId = await tasks.create();
    await tasks.run('completed', taskId);
    const reader = await follow({ taskId });
    await refused(tasks.claimTask(taskId), 409);
    await refused(tasks.report('failed', taskId), 409);
    await ok(tasks.report('completed', taskId));
    await ok(tasks.steer('cancel', taskId));
    await ok(tasks.steer('schedule', taskId));
    await refused(root.post(`/queue/v1/task/${taskId}/priority`, { newPriority: 'high' }), 409);
    await ok(tasks.steer('rerun', taskId));
    await reader.next(2);
    expect(reader.kinds()).toEqual(['task-status', 'task-pending']);
  });
});

describe('following', () => {
  it('resumes after the last event that came, without a gap and without the others', async () => {
    const taskGroupId = slugid();
    const before = await follow({ taskGroupId });
    const first = await tasks.create({ taskGroupId });
    await before.next(2);
    before.close();
    await tasks.create(); // somebody else's
    await tasks.run('completed', first);
    const after = await follow({ taskGroupId }, root, before.lastEventId);
    await after.next(2);
    expect(after.kinds()).toEqual(['task-running', 'task-completed']);
  });

  it('resumes through more pages than are kept in memory, on another replica, too', async () => {
    const taskGroupId = slugid();
    const start = await follow({ taskGroupId });
    const since = start.lastEventId as string;
    await test.database.pool.query(
      `insert into event (kind, task_group_id, scheduler_id, detail)
       select 'task-group-resolved', $1, nth::text, json_build_object('expires', now()) from generate_series(1, 1234) as nth`,
      [taskGroupId],
    );
    const replica = await test.replica({ sweepInterval: 600 });
    try {
      const late = await follow({ taskGroupId }, replica.root, since);
      for (const reader of [start, late]) {
        await reader.next(1234);
        expect(reader.events.map(({ data }) => Number(data.schedulerId))).toEqual(Array.from({ length: 1234 }, (_, index) => index + 1));
      }
    } finally {
      await replica.close();
    }
  });

  it('does not pass over a transaction that commits late', async () => {
    const taskGroupId = slugid();
    const reader = await follow({ taskGroupId });
    const insert = (name: string) =>
      [
        `insert into event (kind, task_group_id, scheduler_id, detail) values ('task-group-resolved', $1, $2, json_build_object('expires', now()))`,
        [taskGroupId, name],
      ] as const;
    const slow = await test.database.pool.connect();
    try {
      await slow.query('begin');
      await slow.query(insert('slow')[0], [...insert('slow')[1]]);
      await test.database.pool.query(insert('fast')[0], [...insert('fast')[1]]);
      await new Promise((done) => setTimeout(done, 600)); // three polls, in which the later one must not be told
      expect(reader.events).toEqual([]);
      await slow.query('commit');
    } finally {
      slow.release();
    }
    await reader.next(2);
    expect(reader.events.map(({ data }) => data.schedulerId)).toEqual(['slow', 'fast']);
  });

  it('does not wait for a transaction in another database of the same server', async () => {
    const stranger = new pg.Client({ connectionString: test.database.url.replace(/\/test_[0-9a-f]+/, '/postgres') });
    const taskId = slugid();
    const reader = await follow({ taskId });
    await stranger.connect();
    try {
      await stranger.query('begin');
      await stranger.query('select pg_current_xact_id()');
      await tasks.create({}, taskId);
      await reader.next(2);
      expect(reader.kinds()).toEqual(['task-defined', 'task-pending']);
      const late = await follow({ taskId });
      await ok(tasks.steer('cancel', taskId));
      await late.next(2);
      expect(late.kinds()).toEqual(['task-status', 'task-exception']);
    } finally {
      await stranger.end();
    }
  });

  it('says so when events after the last one are no longer kept, and those that are come all the same', async () => {
    const history = test.service.app.get(EventHistory);
    const taskGroupId = slugid();
    const start = await follow({ taskGroupId });
    const since = start.lastEventId as string;
    const old = await tasks.create({ taskGroupId });
    await start.next(2);
    await sweep(); // what the group's reader has not read is kept
    await test.database.pool.query(`update event set at = now() - interval '2 days'`);
    await untilDone(() => history.forget());
    expect((await test.database.pool.query('select from event where task_id = $1', [old])).rowCount).toBe(0);
    const kept = await tasks.create({ taskGroupId });
    const replica = await test.replica(); // the first one has them in memory still
    try {
      const late = await follow({ taskGroupId }, replica.root, since);
      await late.next(3);
      expect(late.kinds()).toEqual(['events-lost', 'task-defined', 'task-pending']);
      const recent = await follow({ taskGroupId }, replica.root, late.lastEventId);
      await ok(tasks.steer('cancel', kept));
      await recent.next(1);
      expect(recent.kinds()).toEqual(['task-exception']);
    } finally {
      await replica.close();
    }
  });

  it('keeps what a reader of the deployment has not read, however old', async () => {
    const taskId = await tasks.create();
    await test.database.pool.query(`update event set at = now() - interval '2 days'`);
    await test.service.app.get(EventHistory).forget();
    expect((await test.database.pool.query('select from event where task_id = $1', [taskId])).rowCount).toBe(2);
    await sweep();
    await test.service.app.get(EventHistory).forget();
    expect((await test.database.pool.query('select from event where task_id = $1', [taskId])).rowCount).toBe(0);
  });

  it('goes on after a dump was restored where transaction ids begin anew', async () => {
    const taskGroupId = slugid();
    const stale = '9000000000000-5';
    const taskId = await tasks.create({ taskGroupId });
    await test.database.pool.query(`update event set tx = (tx::text::bigint + 8000000000000)::text::xid8`);
    await test.service.app.get(EventHistory).onApplicationBootstrap();
    const reader = await follow({ taskGroupId }, root, stale);
    await ok(tasks.steer('cancel', taskId));
    await sweep();
    await reader.next(3);
    expect(reader.kinds()).toEqual(['events-lost', 'task-exception', 'task-group-resolved']);
  });

  it('filters: each given one narrows, kinds are a list', async () => {
    const [taskGroupId, taskQueueId] = [slugid(), `test/events-${Date.now() % 1000}`];
    const mine = await tasks.create({ taskGroupId, taskQueueId });
    const byQueue = await follow({ taskQueueId });
    const byBoth = await follow({ taskQueueId, taskGroupId, kind: 'task-running,task-exception' });
    const byTask = await follow({ taskId: mine });
    const other = await tasks.create({ taskQueueId });
    await tasks.create();
    await ok(tasks.claimTask(mine));
    await ok(tasks.steer('cancel', mine));
    await byQueue.next(4);
    expect(byQueue.events.map(({ kind, data }) => [kind, data.status.taskId === mine])).toEqual([
      ['task-defined', false],
      ['task-pending', false],
      ['task-running', true],
      ['task-exception', true],
    ]);
    expect(byQueue.events[0]?.data.status.taskId).toBe(other);
    await byBoth.next(2);
    expect(byBoth.kinds()).toEqual(['task-running', 'task-exception']);
    await byTask.next(3);
    expect(byTask.kinds()).toEqual(['task-status', 'task-running', 'task-exception']);
  });

  it('costs nothing while nobody follows, and five queries a second however many do', async () => {
    const read = jest.spyOn(test.service.app.get(Sql), 'query');
    const asked = () => read.mock.calls.filter(([{ name }]) => name === 'read-events').length;
    await sleep(1_000);
    expect(asked()).toBe(0);
    const watched = Array.from({ length: 200 }, () => slugid());
    const many = await Promise.all(watched.map((taskId) => follow({ taskId })));
    await sleep(500); // who began where the horizon was a moment ago reads a page of its own
    read.mockClear();
    await sleep(2_000);
    expect(asked()).toBeGreaterThan(2);
    expect(asked()).toBeLessThanOrEqual(11);
    read.mockRestore();
    await tasks.create({}, watched[77]);
    await many[77]?.next(2);
    expect(many[77]?.kinds()).toEqual(['task-defined', 'task-pending']);
    expect(many.filter(({ events }) => events.length > 0)).toHaveLength(1);
  });

  it('a service that stops is not held up by who does not read', async () => {
    const replica = await test.replica();
    const resource = '/api/queue/v1/events';
    const stalled = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { authorization: replica.root.authorizationFor('get', resource) as string, 'last-event-id': '3-0' };
      request(`${replica.root.url}${resource}`, { headers, agent: false }, resolve).on('error', reject).end();
    });
    stalled.on('error', () => undefined); // it is hung up on
    const tags = { long: 'x'.repeat(4_000), longer: 'y'.repeat(4_000), longest: 'z'.repeat(4_000) };
    const batch = Array.from({ length: 700 }, () => ({ taskId: slugid(), task: definition({ tags }) }));
    await ok(root.post('/queue/v1/tasks/create', { tasks: batch })); // 17 MB of events, far more than sockets hold
    await new Promise((done) => setTimeout(done, 1_000));
    const begun = Date.now();
    await replica.close();
    expect(Date.now() - begun).toBeLessThan(8_000);
    stalled.destroy();
  });

  it('a service that stops ends the streams at once', async () => {
    const replica = await test.replica();
    const reader = await follow({}, replica.root);
    const begun = Date.now();
    await replica.close();
    await reader.until(() => reader.ended);
    expect(Date.now() - begun).toBeLessThan(5_000);
  });
});

describe('cancellation that arrives', () => {
  it.each([
    ['is cancelled', (taskId: string) => ok(tasks.steer('cancel', taskId)), 'canceled'],
    ['is lost', async (taskId: string) => tasks.lapse(taskId).then(sweep), 'claim-expired'],
    [
      'is past its deadline',
      (taskId: string) => tasks.alter(taskId, `deadline = now() - interval '1 hour', due = now() - interval '1 second'`).then(sweep),
      'deadline-exceeded',
    ],
  ])('a run that %s is told to its worker, by its own credentials, and the stream ends', async (_what, end, reason) => {
    const taskId = await tasks.create();
    const worker = await claimed(taskId);
    const reader = await follow({ taskId }, worker);
    await reader.next(1);
    expect(reader.events[0]).toMatchObject({ kind: 'task-status', data: { status: { state: 'running' } } });
    await end(taskId);
    await reader.until(() => reader.ended);
    expect(reader.events[1]).toMatchObject({ kind: 'task-exception', data: { runId: 0 } });
    expect(reader.events[1]?.data.status.runs[0].reasonResolved).toBe(reason);
    const again = await follow({ taskId }, worker); // its credentials may still upload what explains the end, and see it
    await again.until(() => again.ended);
    expect(again.events.map(({ kind, data }) => [kind, data.status.runs[0].reasonResolved])).toEqual([['task-status', reason]]);
  });

  it('a run may follow another task that its scopes let it read, while it runs', async () => {
    const other = await tasks.create();
    const taskId = await tasks.create({ scopes: [`queue:status:${other}`] });
    const reader = await follow({ taskId: other }, await claimed(taskId));
    await ok(tasks.steer('cancel', other));
    await reader.next(2);
    expect(reader.kinds()).toEqual(['task-status', 'task-exception']);
    expect(reader.ended).toBe(false);
    await ok(tasks.steer('cancel', taskId));
    await reader.until(() => reader.ended);
  });

  it('a run that has ended well has no credentials left to follow anything with', async () => {
    const taskId = await tasks.create();
    const worker = await claimed(taskId);
    await ok(tasks.report('completed', taskId));
    expect(await refused(worker.get(eventsPath({ taskId })), 401)).toContain('completed');
  });

  it('a change between signing and following is not missed: the stream begins with the status', async () => {
    for (let round = 0; round < 20; round++) {
      const taskId = await tasks.create();
      const worker = await claimed(taskId);
      const [reader] = await Promise.all([
        follow({ taskId }, worker),
        new Promise((done) => setTimeout(done, round % 10)).then(() => tasks.steer('cancel', taskId)),
      ]);
      await reader.until(() => reader.events.some(({ data }) => data.status.state === 'exception'));
    }
  });

  it('credentials of a run follow their own task and no other, and not without naming it', async () => {
    const [mine, other] = await Promise.all([tasks.create(), tasks.create()]);
    const worker = await claimed(mine as string);
    for (const query of [{}, { taskId: other as string }, { taskQueueId: 'test/queue' }, { taskGroupId: mine as string }]) {
      expect(await refused(worker.get(eventsPath(query as Record<string, string>)), 403)).toContain('lacks scopes');
    }
  });
});

describe('who may follow', () => {
  const taskId = slugid();
  const near = `${taskId.slice(0, -1)}${taskId.endsWith('A') ? 'Q' : 'A'}`;

  it.each<[Record<string, string>, string[], string[][]]>([
    [{ taskId }, [`queue:status:${taskId}`], [[], [`queue:status:${near}`], ['queue:get-task:*']]],
    [{ taskGroupId: taskId }, [`queue:list-task-group:${taskId}`], [[], [`queue:list-task-group:${near}`], ['queue:status:*']]],
    [
      { taskQueueId: 'p/q' },
      ['queue:pending-list:p/q', 'queue:claimed-list:p/q', 'queue:status:*'],
      [['queue:pending-list:p/q', 'queue:claimed-list:p/q'], ['queue:claimed-list:p/q', 'queue:status:*'], ['queue:status:*']],
    ],
    [{}, ['queue:status:*', 'queue:list-task-group:*'], [['queue:status:*'], ['queue:list-task-group:*'], [`queue:status:${taskId}`]]],
    [{ kind: 'artifact-created', taskId }, [`queue:status:${taskId}`, `queue:list-artifacts:${taskId}`], [[`queue:status:${taskId}`]]],
  ])('%j needs %j', async (query, scopes, tooLittle) => {
    await follow(query, await test.client(...scopes));
    for (const less of tooLittle) expect(await refused((await test.client(...less)).get(eventsPath(query)), 403)).toContain('lacks scopes');
    await refused(root.as().get(eventsPath(query)), 403);
  });

  it('of a task that another filter leaves out, nothing is told, not even its status', async () => {
    const [taskGroupId, taskQueueId] = [slugid(), 'test/elsewhere'];
    const other = await tasks.create({ taskQueueId });
    const client = await test.client(`queue:list-task-group:${taskGroupId}`);
    await refused(client.get(eventsPath({ taskId: other })), 403);
    const query = { taskId: other, taskGroupId };
    const [less, all] = [await follow(query, client), await follow({ taskId: other, taskQueueId, taskGroupId: other })];
    const wrongQueue = await follow({ taskId: other, taskQueueId: 'test/queue' });
    await ok(tasks.steer('cancel', other));
    const mine = await tasks.create({ taskGroupId });
    const after = await follow({ taskId: mine, taskGroupId }, client);
    await after.next(1);
    await all.next(2);
    expect([after.kinds(), all.kinds()]).toEqual([['task-status'], ['task-status', 'task-exception']]);
    expect([less.kinds(), wrongQueue.kinds()]).toEqual([[], []]);
  });

  it('events of artifacts are left out for who may not list them', async () => {
    const taskId = await tasks.create();
    const run = await claimed(taskId);
    const client = await test.client(`queue:status:${taskId}`);
    const [less, all] = [await follow({ taskId }, client), await follow({ taskId })];
    const expires = new Date(Date.now() + 60_000).toISOString();
    const artifact = { storageType: 'reference', contentType: 'text/plain', expires, url: 'https://example.com/a' };
    await ok(run.post(`/queue/v1/task/${taskId}/runs/0/artifacts/public%2Fa`, artifact));
    await ok(tasks.steer('cancel', taskId));
    await all.next(3);
    expect(all.kinds()).toEqual(['task-status', 'artifact-created', 'task-exception']);
    const { url: _, ...told } = { ...artifact, name: 'public/a' };
    expect(all.events[1]?.data).toMatchObject({ runId: 0, ...WORKER, artifact: told });
    await less.next(2);
    expect(less.kinds()).toEqual(['task-status', 'task-exception']);
  });

  it.each<[string, Record<string, string>, Record<string, string>, RegExp]>([
    ['a task id', { taskId: 'x' }, {}, /taskId/],
    ['a kind', { kind: 'task-ended' }, {}, /kind/],
    ['an empty kind', { kind: '' }, {}, /kind/],
    ['an unknown parameter', { since: '1' }, {}, /since.*known are/],
    ['a Last-Event-ID', {}, { 'last-event-id': "1-1'; drop table event" }, /Last-Event-ID/],
    ['a Last-Event-ID of many digits', {}, { 'last-event-id': `${'9'.repeat(20)}-1` }, /Last-Event-ID/],
  ])('400 names %s that is none', async (_what, query, headers, message) => {
    expect(await refused(root.get(eventsPath(query), { headers }), 400)).toMatch(message);
  });

  it('a kind without a schema, and data that is not of it, are noticed', async () => {
    const reader = await follow({ taskId });
    await test.database.pool.query(
      `insert into event (kind, task_id, task_queue_id, task_group_id, scheduler_id, rank, deadline, expires, retries_left, state)
       values ('task-running', $1, 'p/q', $1, '-', 6, now(), now(), 0, 'running')`,
      [taskId],
    );
    await expect(reader.next(1)).rejects.toThrow(/^task-running: .*required property 'runId'/);
    expect(() => assertEvent('task-born', {})).toThrow(/is no event of openapi.yaml/);
    expect(() => assertEvent('events-lost', { more: 1 })).toThrow(/unevaluated/);
    await test.database.pool.query('delete from event where task_id = $1', [taskId]); // it is not whole
  });

  it('knows every kind that a statement writes', async () => {
    const { rows } = await test.database.pool.query('select distinct kind from event');
    expect(EVENT_KINDS).toEqual(expect.arrayContaining(rows.map(({ kind }) => kind)));
  });
});

import { jest } from '@jest/globals';
import { ClaimDesk } from '../src/service/queue/claims/claim-desk.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { definition, slugid } from './support/api.js';
import { ok, refused, Tasks, untilDone, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const METADATA = { name: 'n', description: 'd', owner: 'o', source: 'https://example.com' };
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const sweep = () => untilDone(() => test.service.app.get(SweepService).sweep());
const expire = () => untilDone(() => test.service.app.get(SweepService).expire());
const read = (taskId: string) => ok(test.root.get(`/queue/v1/task/${taskId}`));

/** Until so many statements of the service wait for a lock. */
async function waitingForLocks(count: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const { rowCount } = await test.database.pool.query(
      `select from pg_stat_activity where datname = current_database() and application_name = 'leasehold' and wait_event_type = 'Lock'`,
    );
    if (rowCount && rowCount >= count) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`fewer than ${count} statements wait for a lock`);
}

/** Refused with this status, and nothing was written; answers the message. */
async function refusedWithoutATrace(taskId: string, body: unknown, status: number): Promise<string> {
  const before = await tasks.rowCounts();
  const message = await refused(tasks.put(taskId, body), status);
  expect(await tasks.rowCounts()).toEqual(before);
  return message;
}

describe('the fields of a definition', () => {
  it('fills in the defaults', async () => {
    const given = definition();
    delete given.expires;
    const taskId = await tasks.create({});
    expect(await read(taskId)).toMatchObject({ schedulerId: '-', projectId: 'none', taskGroupId: taskId });
    const minimal = slugid();
    const { status } = await ok(tasks.put(minimal, given));
    const expires = new Date(String(given.deadline));
    expires.setUTCFullYear(expires.getUTCFullYear() + 1);
    expect(await read(minimal)).toEqual({
      ...given,
      provisionerId: 'test',
      workerType: 'queue',
      schedulerId: '-',
      projectId: 'none',
      taskGroupId: minimal,
      dependencies: [],
      requires: 'all-completed',
      routes: [],
      priority: 'lowest',
      retries: 5,
      expires: expires.toISOString(),
      scopes: [],
      tags: {},
      extra: {},
    });
    expect(status).toEqual({
      taskId: minimal,
      provisionerId: 'test',
      workerType: 'queue',
      taskQueueId: 'test/queue',
      schedulerId: '-',
      projectId: 'none',
      taskGroupId: minimal,
      priority: 'lowest',
      deadline: given.deadline,
      expires: expires.toISOString(),
      retriesLeft: 5,
      state: 'pending',
      runs: [{ runId: 0, state: 'pending', reasonCreated: 'scheduled', scheduled: expect.any(String) }],
    });
  });

  const fits: Record<string, unknown[]> = {
    schedulerId: ['-', 'a', '_', 'A9-_'.padEnd(38, 'x')],
    projectId: ['.', 'a/b.c_d-e', 'p'.repeat(500)],
    taskGroupId: [slugid()],
    requires: ['all-completed', 'all-resolved'],
    routes: [[], ['r'], ['r'.repeat(249)], times(64, (n) => `route.${n}`), ['any thing, ü']],
    priority: ['highest', 'very-high', 'high', 'medium', 'low', 'very-low', 'lowest'],
    retries: [0, 49],
    scopes: [[], ['a:b', 'a:b', '*', 'x:*'], ['a**b', '*a', '**a', "!#$%&'()*+,-./:;<=>?@[]^_`{|}~0"]],
    payload: [{}, { deep: { a: [1, 2.5, null, true, 'ü\u0000\u{1f600}'] }, constructor: 1, toString: { valueOf: 2 } }],
    metadata: [
      { name: '', description: '', owner: '', source: 'git@example.com:x' },
      { name: 'n'.repeat(255), description: 'd'.repeat(32_768), owner: 'o'.repeat(255), source: 'ssh://'.padEnd(4096, 's') },
      { ...METADATA, source: 'http://x' },
    ],
    tags: [{}, { a: '', b: 't'.repeat(4096), 'any key': 'x' }],
    extra: [{}, { anything: [{}] }],
  };
  it.each(Object.entries(fits).flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    'takes %s %j',
    async (field, value) => {
      const taskId = await tasks.create({ [field]: value });
      expect((await read(taskId))[field]).toEqual(value);
    },
  );

  const ABSENT = undefined;
  const misfits: Record<string, unknown[]> = {
    taskQueueId: [
      '',
      'p',
      'p/',
      '/w',
      'p/w/x',
      'p/W',
      'p/w-',
      'p/1w',
      'p w/x',
      `${'p'.repeat(39)}/w`,
      `p/${'w'.repeat(39)}`,
      5,
      null,
      ['p/w'],
    ],
    provisionerId: ['', 'p/q', 'p'.repeat(39), 1, null],
    workerType: ['', 'W', 'w-', '-w', '1', 'w'.repeat(39), null],
    schedulerId: ['', 'a.b', 'a b', 's'.repeat(39), 1, null],
    projectId: ['', 'a b', 'p'.repeat(501), 7, null],
    taskGroupId: ['', 'x', '0000000000000000000000', 1, null],
    dependencies: ['x', {}, ['x'], [1], [null], null, times(10_001, slugid), ['fN1SbArXTPSVFNUvaOlinQ', 'fN1SbArXTPSVFNUvaOlinQ']],
    requires: ['all', '', null, 1],
    routes: ['r', [''], ['r'.repeat(250)], times(65, String), ['r', 'r'], [1], [null], null],
    priority: ['normal', 'HIGH', '', 1, null],
    retries: [-1, 50, 1.5, '5', null, 1e300],
    created: [ABSENT, null, '', 'now', 5, '2026-11-22', '2026-11-22T12:00:00', '2026-13-01T00:00:00Z', '2026-11-22T25:00:00Z'],
    deadline: [ABSENT, null, '', 'tomorrow', 5, '2026-11-22T12:00:00'],
    expires: [null, '', 'never', 5, '2026-11-22T12:00:00'],
    scopes: ['a', [''], ['a b'], ['a"'], ['a\\'], ['ü'], ['a\n'], ['a\u007f'], [1], [null], null],
    payload: [ABSENT, null, [], 'x', 1],
    metadata: [ABSENT, null, [], 'x'],
    'metadata.name': [ABSENT, null, 1, 'n'.repeat(256), 'a\u0000'],
    'metadata.description': [ABSENT, null, 1, 'd'.repeat(32_769)],
    'metadata.owner': [ABSENT, null, 1, 'o'.repeat(256)],
    'metadata.source': [ABSENT, null, 1, '', 'ftp://x', 'x https://x', 'https://'.padEnd(4097, 's')],
    'metadata.more': ['x'],
    tags: [null, [], 'x', { a: 1 }, { a: null }, { a: 't'.repeat(4097) }],
    extra: [null, [], 'x'],
    more: ['x'],
    taskId: [slugid()],
  };
  it.each(Object.entries(misfits))('refuses a %s that does not fit, by name, and writes nothing', async (field, values) => {
    for (const value of values) {
      const [outer = '', inner] = field.split('.');
      const body = definition(inner ? { metadata: { ...METADATA, [inner]: value } } : { [outer]: value });
      if (field === 'provisionerId' || field === 'workerType') {
        delete body.taskQueueId;
        body[field === 'provisionerId' ? 'workerType' : 'provisionerId'] = 'w';
      }
      if (field === 'taskQueueId' && value === ABSENT) continue;
      const message = await refusedWithoutATrace(slugid(), body, 400);
      expect(message).toContain(inner ?? outer);
    }
  });

  it('refuses a task id that is no slugid, and a body that is no object', async () => {
    for (const taskId of ['x', '0000000000000000000000', `${slugid()}a`, 'fN1SbArXTPSVFNUvaOli%0A%0A']) {
      expect(await refusedWithoutATrace(taskId, definition(), 400)).toContain('taskId');
    }
    for (const body of [[], [definition()]]) await refusedWithoutATrace(slugid(), body, 400);
    await refusedWithoutATrace(slugid(), undefined, 400);
  });

  it('names every wrong field at once', async () => {
    const message = await refusedWithoutATrace(
      slugid(),
      definition({ retries: 50, requires: 'x', metadata: { ...METADATA, name: 1 } }),
      400,
    );
    for (const field of ['retries', 'requires', 'metadata.name']) expect(message).toContain(field);
  });

  it.each([
    ['created', -14.5 * MINUTE, 14.5 * MINUTE, -15.5 * MINUTE],
    ['created', -14.5 * MINUTE, 14.5 * MINUTE, 15.5 * MINUTE],
    ['deadline', 0.5 * MINUTE, 5 * DAY + 14.5 * MINUTE, 5 * DAY + 15.5 * MINUTE],
    ['deadline', 0.5 * MINUTE, 5 * DAY + 14.5 * MINUTE, -0.5 * MINUTE],
    ['expires', 61 * MINUTE, 3000 * DAY, 59 * MINUTE],
  ])('holds %s against the clock', async (field, early, late, wrong) => {
    const at = (ms: number) => ({ expires: inMs(10 * DAY), [field]: inMs(ms) });
    await tasks.create(at(early));
    await tasks.create(at(late));
    expect(await refusedWithoutATrace(slugid(), definition(at(wrong)), 400)).toContain(field);
  });

  it('refuses a deadline before created, and takes one that is equal', async () => {
    const created = inMs(5 * MINUTE);
    expect(await refusedWithoutATrace(slugid(), definition({ created, deadline: inMs(4 * MINUTE) }), 400)).toContain('deadline');
    await tasks.create({ created, deadline: created, expires: created });
  });

  it.each(['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59-23:59', '9999-12-31T23:59:59.9999999+00:00'])(
    'keeps or refuses expires %s, but never fails',
    async (expires) => {
      const taskId = slugid();
      const { status } = await tasks.put(taskId, definition({ expires }));

      if (status === 200) expect((await read(taskId)).expires).toBe('9999-12-31T23:59:59.999Z');
      else expect(status).toBe(400);
    },
  );

  it('takes every form of a time, to the millisecond', async () => {
    const at = new Date(Date.now() + 30 * MINUTE);
    const plain = at.toISOString();
    const local = new Date(at.getTime() + 90 * MINUTE).toISOString().replace('Z', '');
    for (const form of [plain.replace('Z', '999999Z'), plain.replace('Z', '+00:00'), `${local}+01:30`, plain.toLowerCase()]) {
      expect((await read(await tasks.create({ deadline: form }))).deadline).toBe(plain);
    }
  });

  it('takes a task queue in both forms, and refuses none, half of one, and two that differ', async () => {
    const { taskQueueId: _, ...rest } = definition();
    const named = { taskQueueId: 'p/w', provisionerId: 'p', workerType: 'w' };
    for (const form of [{ provisionerId: 'p', workerType: 'w' }, { taskQueueId: 'p/w' }, named, { taskQueueId: 'p/w', workerType: 'w' }]) {
      const taskId = slugid();
      await ok(tasks.put(taskId, { ...rest, ...form }));
      expect(await read(taskId)).toMatchObject(named);
    }
    for (const form of [
      {},
      { provisionerId: 'p' },
      { workerType: 'w' },
      { taskQueueId: 'p/w', provisionerId: 'q' },
      { taskQueueId: 'p/w', workerType: 'x' },
      { taskQueueId: 'p/w', provisionerId: 'p', workerType: 'x' },
    ]) {
      expect(await refusedWithoutATrace(slugid(), { ...rest, ...form }, 400)).toContain('taskQueueId');
    }
  });
});

describe('the scopes a creator needs', () => {
  const asked = { priority: 'high', projectId: 'proj', schedulerId: 'sched', routes: ['x.y', 'z'], scopes: ['a:b', 'c:*'] };
  const needed = [
    'a:b',
    'c:*',
    'queue:route:x.y',
    'queue:route:z',
    'queue:create-task:project:proj',
    'queue:scheduler-id:sched',
    'queue:create-task:high:test/queue',
  ];

  it('are enough, and each of them is needed', async () => {
    const creator = await test.client(...needed);
    const taskId = slugid();
    expect((await creator.put(`/queue/v1/task/${taskId}`, definition(asked))).status).toBe(200);
    for (const scope of needed) {
      const authorizedScopes = needed.filter((one) => one !== scope);
      const { status, body } = await creator.put(`/queue/v1/task/${slugid()}`, definition(asked), { authorizedScopes });
      expect([scope, status, body.code]).toEqual([scope, 403, 'InsufficientScopes']);
      expect(body.message).toContain(scope);
    }
    const outsider = await test.client('queue:get-task:*');
    const before = await tasks.rowCounts();
    expect((await outsider.put(`/queue/v1/task/${slugid()}`, definition(asked))).status).toBe(403);
    expect((await test.root.as().put(`/queue/v1/task/${slugid()}`, definition(asked))).status).toBe(403);
    expect(await tasks.rowCounts()).toEqual(before);
  });

  it('are asked for again when the creation is repeated', async () => {
    const body = definition(asked);
    const taskId = slugid();
    await ok(tasks.put(taskId, body, { authorizedScopes: needed }));
    await refused(tasks.put(taskId, body, { authorizedScopes: needed.slice(1) }), 403);
  });

  it.each(['highest', 'very-high', 'high', 'medium', 'low', 'very-low', 'lowest'])(
    'priority high with the scope of %s',
    async (priority) => {
      const authorizedScopes = [...needed.slice(0, -1), `queue:create-task:${priority}:test/queue`];
      const { status } = await tasks.put(slugid(), definition(asked), { authorizedScopes });
      expect(status).toBe(['highest', 'very-high', 'high'].includes(priority) ? 200 : 403);
    },
  );

  it('are those of the queue that the task goes to', async () => {
    const authorizedScopes = [...needed.slice(0, -1), 'queue:create-task:high:test/other'];
    await refused(tasks.put(slugid(), definition(asked), { authorizedScopes }), 403);
    const { taskQueueId: _, ...rest } = definition(asked);
    await ok(tasks.put(slugid(), { ...rest, provisionerId: 'test', workerType: 'other' }, { authorizedScopes }));
  });

  it('do not let a wildcard of the task be had by one who holds a part of it', async () => {
    const authorizedScopes = [...needed.slice(2), 'a:*', 'c:d'];
    await refused(tasks.put(slugid(), definition(asked), { authorizedScopes }), 403);
    await ok(tasks.put(slugid(), definition({ ...asked, scopes: ['a:*', 'a:b', 'c:d'] }), { authorizedScopes }));
  });

  it.each(['**', 'a:**', 'a***'])('refuses the scope %s even to who may do anything', async (scope) => {
    expect(await refusedWithoutATrace(slugid(), definition({ scopes: ['a', scope] }), 400)).toContain(scope);
  });
});

describe('the same creation again', () => {
  const moved = (timestamp: unknown) => String(timestamp).replace('Z', '123456Z');

  it('answers the status as it is now, in whatever way the same is said', async () => {
    const taskId = slugid();
    const body = definition({
      payload: { b: { d: 1, c: [1, { y: 1, x: 2 }] }, a: 1.0 },
      tags: { b: '1', a: '2' },
      scopes: ['s:1', 's:2'],
      routes: ['r'],
    });
    await ok(tasks.put(taskId, body));
    const { taskQueueId: _, ...rest } = body;
    const turned = Object.fromEntries(Object.entries(body).reverse());
    const same = [
      body,
      turned,
      { ...turned, payload: { a: 1, b: { c: [1, { x: 2, y: 1 }], d: 1 } }, tags: { a: '2', b: '1' } },
      { ...body, created: moved(body.created), deadline: moved(body.deadline), expires: moved(body.expires) },
      { ...body, deadline: String(body.deadline).replace('Z', '+00:00') },
      { ...rest, provisionerId: 'test', workerType: 'queue' },
      { ...body, provisionerId: 'test', workerType: 'queue' },
      {
        ...body,
        taskGroupId: taskId,
        schedulerId: '-',
        retries: 5,
        requires: 'all-completed',
        priority: 'lowest',
        extra: {},
        dependencies: [],
      },
    ];
    const before = await tasks.rowCounts();
    for (const again of same) expect((await ok(tasks.put(taskId, again))).status).toEqual(await tasks.status(taskId));
    await ok(tasks.claimTask(taskId));
    expect((await ok(tasks.put(taskId, body))).status.state).toBe('running');
    await ok(tasks.report('completed', taskId));
    expect((await ok(tasks.put(taskId, body))).status.state).toBe('completed');
    expect(await tasks.rowCounts()).toEqual(before);
  });

  it('with another definition is a conflict, whichever field differs', async () => {
    const taskId = slugid();
    const body = definition({ scopes: ['a', 'b'], routes: ['r', 's'], payload: { a: [1, 2] } });
    await ok(tasks.put(taskId, body));
    const differences: Record<string, unknown> = {
      taskQueueId: 'test/other',
      schedulerId: 'other',
      projectId: 'other',
      taskGroupId: slugid(),
      dependencies: [taskId],
      requires: 'all-resolved',
      routes: ['s', 'r'],
      priority: 'low',
      retries: 4,
      created: inMs(-1000),
      deadline: inMs(1000_000),
      expires: inMs(10 * DAY),
      scopes: ['b', 'a'],
      payload: { a: [2, 1] },
      metadata: { ...METADATA, name: 'other' },
      tags: { a: 'b' },
      extra: { a: null },
    };
    for (const [field, value] of Object.entries(differences)) {
      const message = await refusedWithoutATrace(taskId, { ...body, [field]: value }, 409);
      expect([field, message]).toEqual([field, expect.stringContaining(taskId)]);
    }
    expect(await read(taskId)).toMatchObject(body);
  });

  it('ten times at once makes one task', async () => {
    for (const overrides of [{}, { dependencies: [await tasks.create()] }, { taskGroupId: slugid() }]) {
      const taskId = slugid();
      const body = definition(overrides);
      const before = (await tasks.rowCounts()).task ?? 0;
      const answers = await Promise.all(times(10, () => tasks.put(taskId, body)));
      expect(answers.map(({ status }) => status)).toEqual(times(10, () => 200));
      expect((await tasks.rowCounts()).task).toBe(before + 1);
    }
  });

  it('ten definitions at once make one task and nine conflicts', async () => {
    for (const dependencies of [[], [await tasks.create()]]) {
      const taskId = slugid();
      const bodies = times(10, (n) => definition({ payload: { n }, dependencies }));
      const answers = await Promise.all(bodies.map((body) => tasks.put(taskId, body)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...times(9, () => 409)]);
      const winner = answers.findIndex(({ status }) => status === 200);
      expect((await read(taskId)).payload).toEqual({ n: winner });
    }
  });

  it('of dependent tasks does not exhaust the connections', async () => {
    const body = definition({ dependencies: [await tasks.create()] });
    const taskId = await tasks.create(body);
    const lock = await test.database.pool.connect();
    await lock.query('begin; lock table task_definition');
    const answers = Promise.all(times(60, () => tasks.put(taskId, body)));
    await waitingForLocks(16); // which is all connections there are
    await lock.query('commit');
    lock.release();
    expect((await answers).map(({ status }) => status)).toEqual(times(60, () => 200));
  });

  it('is no reason to lose the task when a dependency is gone by now', async () => {
    const required = await tasks.create();
    const body = definition({ dependencies: [required] });
    const taskId = await tasks.create(body);
    await test.database.pool.query('delete from task_definition where task_id = $1', [required]);
    await test.database.pool.query('delete from task where task_id = $1', [required]);
    expect((await ok(tasks.put(taskId, body))).status.state).toBe('unscheduled');
    await refused(tasks.put(taskId, { ...body, retries: 1 }), 409);
    expect(await tasks.state(taskId)).toBe('unscheduled');
  });
});

describe('groups', () => {
  const seal = (taskGroupId: string) =>
    test.database.pool.query('update task_group set sealed = now() where task_group_id = $1', [taskGroupId]);

  it('belong to the scheduler of their first task', async () => {
    const taskGroupId = slugid();
    await tasks.create({ taskGroupId, schedulerId: 'one' });
    for (const dependencies of [[], [await tasks.create()]]) {
      const message = await refusedWithoutATrace(slugid(), definition({ taskGroupId, schedulerId: 'two', dependencies }), 409);
      expect(message).toMatch(/group.*one/);
    }
    await tasks.create({ taskGroupId, schedulerId: 'one' });
  });

  it('take no task when sealed, not even the same again, as the wire protocol has it', async () => {
    const taskGroupId = slugid();
    const alone = definition({ taskGroupId });
    const dependent = definition({ taskGroupId, dependencies: [await tasks.create()] });
    const known = [await tasks.create(alone), await tasks.create(dependent)];
    await seal(taskGroupId);
    for (const body of [alone, dependent]) {
      expect(await refusedWithoutATrace(slugid(), body, 409)).toContain('sealed');
    }
    for (const [index, body] of [alone, dependent].entries()) {
      await refused(tasks.put(known[index]!, body), 409);
      await refused(tasks.put(known[index]!, { ...body, retries: 1 }), 409);
    }
  });

  it('are made once by many first tasks at once', async () => {
    const taskGroupId = slugid();
    const required = await tasks.create();
    const before = (await tasks.rowCounts()).task_group ?? 0;
    await Promise.all(times(20, (n) => tasks.create({ taskGroupId, dependencies: n % 2 ? [] : [required] })));
    expect((await tasks.rowCounts()).task_group).toBe(before + 1);
  });

  it('go to one of two schedulers that come at once', async () => {
    for (let round = 0; round < 10; round++) {
      const taskGroupId = slugid();
      const schedulers = times(8, (n) => (n % 2 ? 'one' : 'two'));
      const answers = await Promise.all(schedulers.map((schedulerId) => tasks.put(slugid(), definition({ taskGroupId, schedulerId }))));
      const winners = new Set(schedulers.filter((_, index) => answers[index]!.status === 200));
      expect(winners.size).toBe(1);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 409, 409, 409, 409]);
    }
  });
});

describe('dependencies', () => {
  it('block until all have completed, and are satisfied one by one', async () => {
    const required = await Promise.all(times(5, () => tasks.create()));
    const taskId = await tasks.create({ dependencies: required });
    expect(await tasks.status(taskId)).toMatchObject({ state: 'unscheduled', runs: [] });
    for (const [index, dependency] of required.entries()) {
      expect(await tasks.state(taskId)).toBe('unscheduled');
      await tasks.run('completed', dependency);
      expect(await tasks.state(taskId)).toBe(index === 4 ? 'pending' : 'unscheduled');
    }
    expect((await tasks.status(taskId)).runs).toEqual([
      { runId: 0, state: 'pending', reasonCreated: 'scheduled', scheduled: expect.any(String) },
    ]);
    await tasks.run('completed', taskId);
  });

  it('unblock every dependent at once', async () => {
    const required = await tasks.create();
    const dependents = await Promise.all(times(30, (n) => tasks.create({ dependencies: [required], taskQueueId: `test/fan-${n % 3}` })));
    await tasks.run('completed', required);
    for (const dependent of dependents) expect(await tasks.state(dependent)).toBe('pending');
  });

  it('last to end at the same time unblock exactly once', async () => {
    for (let round = 0; round < 20; round++) {
      const required = await Promise.all(times(8, () => tasks.create()));
      const taskId = await tasks.create({ dependencies: required });
      await Promise.all(required.map((dependency) => tasks.claimTask(dependency)));
      await Promise.all(required.map((dependency) => ok(tasks.report('completed', dependency))));
      expect(await tasks.status(taskId)).toMatchObject({ state: 'pending', runs: [{ runId: 0 }] });
    }
  });

  it.each([
    ['completed', 'pending', 'pending'],
    ['failed', 'unscheduled', 'pending'],
    ['malformed-payload', 'unscheduled', 'pending'],
    ['cancel', 'unscheduled', 'pending'],
    ['overdue', 'unscheduled', 'pending'],
    ['claim-expired', 'unscheduled', 'pending'],
  ])('that ended as %s leave all-completed %s and all-resolved %s', async (outcome, completed, resolved) => {
    const end = async (taskId: string) => {
      if (outcome === 'cancel') return ok(tasks.steer('cancel', taskId));
      if (outcome === 'overdue') return tasks.overdue(taskId).then(sweep);
      if (outcome !== 'claim-expired') return tasks.run(outcome, taskId);
      await ok(tasks.claimTask(taskId));
      return tasks.lapse(taskId).then(sweep);
    };
    const required = await tasks.create({ retries: 0 });
    const before = [
      await tasks.create({ dependencies: [required] }),
      await tasks.create({ dependencies: [required], requires: 'all-resolved' }),
    ];
    await end(required);
    const after = [
      await tasks.create({ dependencies: [required], deadline: inMs(MINUTE) }),
      await tasks.create({ dependencies: [required], deadline: inMs(MINUTE), requires: 'all-resolved' }),
    ];
    for (const pair of [before, after]) {
      expect(await Promise.all(pair.map((taskId) => tasks.state(taskId)))).toEqual([completed, resolved]);
    }
  });

  it('that are tried again have not ended', async () => {
    const required = await tasks.create({ retries: 2 });
    const waiting = await tasks.create({ dependencies: [required], requires: 'all-resolved' });
    await tasks.run('worker-shutdown', required, 0);
    await ok(tasks.claimTask(required, 1));
    await tasks.lapse(required);
    await sweep();
    expect(await tasks.state(required)).toBe('pending');
    expect(await tasks.state(waiting)).toBe('unscheduled');
    await tasks.run('completed', required, 2);
    expect(await tasks.state(waiting)).toBe('pending');
  });

  it('stay satisfied when they are run again', async () => {
    const [first, second] = [await tasks.create(), await tasks.create()];
    const taskId = await tasks.create({ dependencies: [first, second] });
    await tasks.run('completed', first);
    await ok(tasks.steer('rerun', first));
    await tasks.run('completed', first, 1);
    expect(await tasks.state(taskId)).toBe('unscheduled');
    await ok(tasks.steer('rerun', first));
    await tasks.run('failed', first, 2);
    await tasks.run('completed', second);
    expect(await tasks.state(taskId)).toBe('pending');
  });

  it('that failed can be run again, and then unblock', async () => {
    const required = await tasks.create();
    const taskId = await tasks.create({ dependencies: [required] });
    await tasks.run('failed', required);
    expect(await tasks.state(taskId)).toBe('unscheduled');
    await ok(tasks.steer('rerun', required));
    await tasks.run('completed', required, 1);
    expect(await tasks.state(taskId)).toBe('pending');
  });

  it('do not touch a dependent that was scheduled or has ended without them', async () => {
    const required = await tasks.create();
    const [scheduled, canceled] = [await tasks.create({ dependencies: [required] }), await tasks.create({ dependencies: [required] })];
    await ok(tasks.steer('schedule', scheduled));
    await tasks.run('completed', scheduled);
    await ok(tasks.steer('cancel', canceled));
    const before = [await tasks.status(scheduled), await tasks.status(canceled)];
    await tasks.run('completed', required);
    expect([await tasks.status(scheduled), await tasks.status(canceled)]).toEqual(before);
  });

  it('on oneself wait for scheduleTask, whatever else is satisfied', async () => {
    const required = await tasks.create();
    const taskId = slugid();
    await tasks.create({ dependencies: [taskId, required] }, taskId);
    await tasks.run('completed', required);
    expect(await tasks.state(taskId)).toBe('unscheduled');
    await ok(tasks.steer('schedule', taskId));
    await tasks.run('completed', taskId);
    await sweep();
    expect(await tasks.status(taskId)).toMatchObject({ state: 'completed', runs: [{ runId: 0 }] });
  });

  it('on oneself and on others do not keep others waiting', async () => {
    const taskId = slugid();
    await tasks.create({ dependencies: [taskId], requires: 'all-resolved' }, taskId);
    const dependent = await tasks.create({ dependencies: [taskId] });
    await ok(tasks.steer('schedule', taskId));
    await tasks.run('completed', taskId);
    expect(await tasks.state(dependent)).toBe('pending');
  });

  it('must exist and must outlive the deadline, or nothing is written', async () => {
    const known = await tasks.create();
    const brief = await tasks.create({ deadline: inMs(MINUTE), expires: inMs(2 * MINUTE) });
    const missing = slugid();
    const message = await refusedWithoutATrace(slugid(), definition({ dependencies: [known, missing] }), 400);
    expect(message).toContain(missing);
    expect(message).not.toContain(known);
    expect(await refusedWithoutATrace(slugid(), definition({ dependencies: [known, brief] }), 400)).toContain(brief);
    await refusedWithoutATrace(slugid(), definition({ taskGroupId: slugid(), dependencies: times(3000, slugid) }), 400);
    await tasks.create({ dependencies: [brief], deadline: inMs(MINUTE) });
  });

  it('are limited by TASK_MAX_DEPENDENCIES', async () => {
    const strict = await test.replica({ taskMaxDependencies: 3 });
    try {
      const required = await Promise.all(times(4, () => tasks.create()));
      const create = (dependencies: string[]) => strict.root.put(`/queue/v1/task/${slugid()}`, definition({ dependencies }));
      expect(await refused(create(required), 400)).toMatch(/4 dependencies.*3.*TASK_MAX_DEPENDENCIES/);
      await ok(create(required.slice(1)));
    } finally {
      await strict.close();
    }
  });

  it('are told by the sweep when the replica that ended them died before it could', async () => {
    const required = await tasks.create();
    const [first, second] = [await tasks.create({ dependencies: [required] }), await tasks.create({ dependencies: [required] })];
    await ok(tasks.claimTask(required));
    // what resolveRun commits, and then the process is gone
    await tasks.alter(required, `state = 'completed', reason_resolved = 'completed', resolved = now(), due = now() - interval '1 second'`);
    expect(await tasks.state(first)).toBe('unscheduled');
    await sweep();
    expect([await tasks.state(first), await tasks.state(second)]).toEqual(['pending', 'pending']);
    await sweep();
    expect((await tasks.status(first)).runs).toHaveLength(1);
    await tasks.run('completed', first);
  });

  it('are told before a rerun makes them forget how they ended', async () => {
    const required = await tasks.create();
    const taskId = await tasks.create({ dependencies: [required] });
    await ok(tasks.claimTask(required));
    await tasks.alter(required, `state = 'completed', reason_resolved = 'completed', resolved = now(), due = now() - interval '1 second'`);
    await ok(tasks.steer('rerun', required));
    expect(await tasks.state(taskId)).toBe('pending');
    await tasks.run('failed', required, 1);
    await sweep();
    expect(await tasks.state(taskId)).toBe('pending');
  });

  it('that end while the dependent is created are not missed', async () => {
    const round = async () => {
      const required = await tasks.create();
      await ok(tasks.claimTask(required));
      const taskId = slugid();
      await Promise.all([ok(tasks.report('completed', required)), tasks.create({ dependencies: [required] }, taskId)]);
      return tasks.state(taskId);
    };
    for (let batch = 0; batch < 25; batch++) {
      expect(await Promise.all(times(8, round))).toEqual(times(8, () => 'pending'));
    }
  });

  it('crossed in every way by creations, ends and reruns leave nobody waiting', async () => {
    const required = await Promise.all(times(12, () => tasks.create()));
    await Promise.all(required.map((taskId) => ok(tasks.claimTask(taskId))));
    const shuffled = () => [...required].sort(() => Math.random() - 0.5).slice(0, 6);
    const created: string[] = [];
    const create = async () => {
      for (let n = 0; n < 12; n++) created.push(await tasks.create({ dependencies: shuffled() }));
    };
    const end = async (taskId: string, index: number) => {
      await ok(tasks.report('completed', taskId));
      if (index % 3 === 0) await ok(tasks.steer('rerun', taskId));
      if (index % 3 === 0) await tasks.run('completed', taskId, 1);
    };
    await Promise.all([...times(6, create), ...required.map(end), sweep()]);
    expect(created).toHaveLength(72);
    for (const taskId of created) expect(await tasks.status(taskId)).toMatchObject({ state: 'pending', runs: [{ runId: 0 }] });
  });

  it('that form a chain unblock it link by link', async () => {
    let last = await tasks.create();
    const chain = [last];
    for (let link = 0; link < 5; link++) {
      last = await tasks.create({ dependencies: [last] });
      chain.push(last);
    }
    for (const taskId of chain) await tasks.run('completed', taskId);
    expect(await tasks.state(last)).toBe('completed');
  });
});

describe('expiry', () => {
  /** They ended at their deadlines, and have expired since. */
  const expireNow = async (...taskIds: string[]) => {
    await test.database.pool.query(
      `update task set state = 'exception', reason_resolved = 'deadline-exceeded', resolved = now(), run_id = coalesce(run_id, 0),
                       reason_created = coalesce(reason_created, 'exception'), scheduled = coalesce(scheduled, now()), due = null
        where task_id = any($1) and state in ('unscheduled', 'pending', 'running')`,
      [taskIds],
    );
    for (const table of ['task', 'task_definition']) {
      await test.database.pool.query(`update ${table} set expires = now() - interval '31 minutes' where task_id = any($1)`, [taskIds]);
    }
    await endLeases('1 day', ...taskIds);
  };
  const endLeases = async (ago: string, ...taskIds: string[]) => {
    for (const table of ['task', 'past_run']) {
      const set = `taken_until = case when taken_until is not null then now() - interval '${ago}' end`;
      await test.database.pool.query(`update ${table} set ${set} where task_id = any($1)`, [taskIds]);
    }
  };
  const groups = async (...ids: string[]) =>
    (await test.database.pool.query('select 1 from task_group where task_group_id = any($1)', [ids])).rowCount;

  it('forgets a task with all that belongs to it, half an hour late', async () => {
    const before = await tasks.rowCounts();
    const required = await tasks.create();
    const taskId = await tasks.create({ dependencies: [required] });
    await ok(tasks.steer('schedule', taskId));
    await tasks.run('worker-shutdown', taskId);
    await expireNow(taskId, required);
    await test.database.pool.query(`update task_definition set expires = now() - interval '29 minutes' where task_id = $1`, [required]);
    await expire();
    await refused(test.root.get(`/queue/v1/task/${taskId}`), 404);
    await refused(test.root.get(`/queue/v1/task/${taskId}/status`), 404);
    await ok(test.root.get(`/queue/v1/task/${required}/status`));
    await expireNow(required);
    await expire();
    expect(await tasks.rowCounts()).toEqual(before);
  });

  it('keeps a task that has not ended until it was ended, and that was told', async () => {
    const taskId = await tasks.create();
    const past = `now() - interval '31 minutes'`;
    await test.database.pool.query(`update task_definition set expires = ${past} where task_id = $1`, [taskId]);
    await tasks.alter(taskId, `expires = ${past}, deadline = ${past}, due = now() + interval '1 hour'`);
    await expire();
    expect(await tasks.state(taskId)).toBe('pending');
    await tasks.alter(taskId, `due = now() - interval '1 second'`);
    await sweep();
    await expire();
    await refused(test.root.get(`/queue/v1/task/${taskId}/status`), 404);
    const { rows } = await test.database.pool.query('select kind from event where task_id = $1 order by tx, id', [taskId]);
    expect(rows.map(({ kind }) => kind)).toEqual(['task-defined', 'task-pending', 'task-exception']);
  });

  it('keeps a task until the credentials of all its runs have ended, so that its id means no other run to them', async () => {
    const taskId = await tasks.create();
    await tasks.run('worker-shutdown', taskId);
    const { credentials } = await ok(tasks.claimTask(taskId, 1));
    await ok(test.root.as(credentials).post(`/queue/v1/task/${taskId}/runs/1/completed`));
    await expireNow(taskId);
    for (const table of ['task', 'past_run']) {
      await endLeases('1 day', taskId);
      await test.database.pool.query(`update ${table} set taken_until = now() - interval '1195 seconds' where task_id = $1`, [taskId]);
      await expire();
      await ok(test.root.get(`/queue/v1/task/${taskId}/status`));
    }
    await endLeases('1205 seconds', taskId); // a grace of 900, a skew of 300
    await expire();
    await refused(test.root.get(`/queue/v1/task/${taskId}/status`), 404);
  });

  it('forgets a group with its last task, and more than one batch', async () => {
    const taskGroupId = slugid();
    const [first, second] = [await tasks.create({ taskGroupId }), await tasks.create({ taskGroupId })];
    await expireNow(first);
    await expire();
    expect(await groups(taskGroupId)).toBe(1);
    await expireNow(second);
    await expire();
    expect(await groups(taskGroupId)).toBe(0);
    const crowd = await Promise.all(times(450, () => tasks.create()));
    await expireNow(...crowd);
    await expire();
    expect(await groups(...crowd)).toBe(0);
    await refused(test.root.get(`/queue/v1/task/${crowd.at(-1)}/status`), 404);
  });

  it('of large definitions, as those with many dependencies are, goes on in batches of fewer', async () => {
    const large = await Promise.all(times(5, () => tasks.create()));
    const { pool } = test.database;
    await pool.query('update task_definition set size = 600_000 where task_id = any($1)', [large]);
    await expireNow(...large);
    const left = async () => (await pool.query('select from task where task_id = any($1)', [large])).rowCount;
    const seen: unknown[] = [];
    for (let more = 'more'; more === 'more' && seen.length < 9; ) {
      more = await test.service.app.get(SweepService).expire();
      seen.push(more, await left());
    }
    expect(seen).toEqual(['more', 3, 'more', 1, 'done', 0]);
  });

  it('keeps a group that gets a task at this very moment', async () => {
    const taskGroupId = slugid();
    const old = await tasks.create({ taskGroupId, schedulerId: 'one' });
    await expireNow(old);
    const creator = await test.database.pool.connect();
    try {
      await creator.query('begin');
      await creator.query('select from task_group where task_group_id = $1 for key share', [taskGroupId]);
      const newer = slugid();
      await creator.query(
        `insert into task select (jsonb_populate_record(task, jsonb_build_object('task_id', $2::text, 'expires', now() + interval '1 day'))).*
           from task where task_id = $1`,
        [old, newer],
      );
      const expiring = expire();
      await Promise.race([expiring, waitingForLocks(1)]);
      await creator.query('commit');
      await expiring;
    } finally {
      creator.release();
    }
    expect(await groups(taskGroupId)).toBe(1);
    await refused(tasks.put(slugid(), definition({ taskGroupId, schedulerId: 'two' })), 409);
  });

  it('leaves a lone group to nobody when its tasks and their successors are gone', async () => {
    const taskGroupId = slugid();
    await expireNow(await tasks.create({ taskGroupId, schedulerId: 'one' }));
    await expire();
    await tasks.create({ taskGroupId, schedulerId: 'two' });
    expect(await groups(taskGroupId)).toBe(1);
  });
});

it('hands a task to a worker with its whole definition', async () => {
  const body = definition({ taskQueueId: 'test/whole', payload: { text: 'ü\u0000', n: 1.5 }, scopes: ['a:b'], priority: 'high' });
  const taskId = await tasks.create(body);
  const { tasks: claims } = await ok(tasks.claimWork('test/whole'));
  expect(claims).toEqual([expect.objectContaining({ runId: 0, fence: 1, ...WORKER, task: await read(taskId) })]);
  expect(claims[0].task).toMatchObject(body);
});

describe('a fan of 10 000', () => {
  const SIZE = 10_000;
  const SWEPT = 2_000; // dependencies whose dependent is told one by one; the ends of others are moved in the data
  const SECONDS = 30_000; // at most for each step; FAN_TIMES says how long they took
  const ENDED = `state = 'completed', reason_resolved = 'completed', resolved = now()`;

  // without the floor under lost hints: who waits is told at once, or not at all
  beforeEach(() => {
    jest.spyOn(test.service.app.get(ClaimDesk) as unknown as { poll(): void }, 'poll').mockReturnValue();
  });
  afterEach(() => jest.restoreAllMocks());

  /** More tasks like this one, in the rows: to create each through the API would take longer than what is to be seen. */
  async function copies(taskId: string, count: number): Promise<string[]> {
    const ids = times(count, slugid);
    for (const [table, key] of Object.entries({ task_definition: 'task_id', task: 'task_id', task_dependency: 'dependent_task_id' })) {
      const copy = `(jsonb_populate_record(row, jsonb_build_object('${key}', id))).*`;
      await test.database.pool.query(
        `insert into ${table} select ${copy} from ${table} as row, unnest($2::text[]) as id where ${key} = $1`,
        [taskId, ids],
      );
    }
    return ids;
  }

  /** As if these had ended, and their dependent had been told. */
  async function endedLongAgo(required: string[], dependent: string): Promise<void> {
    const { pool } = test.database;
    await pool.query(`update task set ${ENDED}, due = null where task_id = any ($1)`, [required]);
    await pool.query('update task_dependency set satisfied = true where required_task_id = any ($1)', [required]);
    await tasks.alter(dependent, `unsatisfied = unsatisfied - ${required.length}`);
  }

  async function timed<T>(what: string, step: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await step();
    const took = performance.now() - began;
    if (process.env.FAN_TIMES) process.stderr.write(`${what}: ${took.toFixed(0)} ms\n`);
    expect([what, took < SECONDS]).toEqual([what, true]);
    return result;
  }

  it('in: the last of them unblocks, and who waits for work is given it', async () => {
    const taskQueueId = 'fan/in';
    const first = await tasks.create();
    const dependencies = [first, ...(await copies(first, SIZE - 1))];
    const [swept, last] = [dependencies.slice(-5 - SWEPT, -5), dependencies.slice(-5)];
    const { taskId } = await timed('create a task with 10 000 dependencies', async () => {
      return (await ok(tasks.put(slugid(), definition({ taskQueueId, dependencies })))).status;
    });
    await endedLongAgo(dependencies.slice(0, -5 - SWEPT), taskId);
    await test.database.pool.query(`update task set ${ENDED}, due = now() where task_id = any ($1)`, [swept]); // as resolveRun leaves it
    await timed(`tell ${SWEPT} ends one by one`, sweep);
    const waiting = tasks.claimWork(taskQueueId);
    for (const required of last) await ok(tasks.claimTask(required));
    for (const required of last.slice(1)) await ok(tasks.report('completed', required));
    expect(await tasks.state(taskId)).toBe('unscheduled');
    const claim = await timed('from the last end to the claim', async () => {
      await ok(tasks.report('completed', last[0]!));
      return ok(waiting);
    });
    expect(claim.tasks).toMatchObject([{ runId: 0, status: { taskId, runs: [{ reasonCreated: 'scheduled' }] } }]);
  }, 120_000);

  it('out: the one unblocks all, and who waits for work is given some', async () => {
    const taskQueueId = 'fan/out';
    const required = await tasks.create();
    await copies(await tasks.create({ taskQueueId, dependencies: [required] }), SIZE - 1);
    await ok(tasks.claimTask(required));
    const counts = () => ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/counts`));
    const waiting = tasks.claimWork(taskQueueId, 3);
    expect(await counts()).toMatchObject({ pendingTasks: 0, claimedTasks: 0 });
    const claim = await timed('from the end that unblocks 10 000 to the first claims', async () => {
      await ok(tasks.report('completed', required));
      return ok(waiting);
    });
    expect(claim.tasks).toHaveLength(3);
    expect(await counts()).toMatchObject({ pendingTasks: SIZE - 3, claimedTasks: 3 });
  }, 120_000);
});

describe('the size of a definition', () => {
  /** The largest that a service takes which allows so many bytes, and one byte more. */
  async function largest(bytes: number): Promise<[fits: Record<string, unknown>, over: Record<string, unknown>]> {
    const taskId = slugid();
    const body = definition({ taskGroupId: taskId, payload: { filling: '' } });
    await ok(tasks.put(taskId, body));
    const rest = bytes - Buffer.byteLength(JSON.stringify(await ok(test.root.get(`/queue/v1/task/${taskId}`))));
    const filling = '€'.repeat(Math.floor(rest / 3)) + 'x'.repeat(rest % 3);
    return [
      { ...body, payload: { filling } },
      { ...body, payload: { filling: `${filling}x` } },
    ];
  }

  it('is limited by MAX_TASK_SIZE, to the byte', async () => {
    const strict = await test.replica({ maxTaskSize: 20_000 });
    try {
      const [fits, over] = await largest(20_000);
      const [taskId, other] = [slugid(), slugid()];
      await ok(strict.root.put(`/queue/v1/task/${taskId}`, fits));
      const before = await tasks.rowCounts();
      expect(await refused(strict.root.put(`/queue/v1/task/${other}`, over), 413)).toMatch(
        /20001 bytes.* 20000 \(MAX_TASK_SIZE\): .*artifact/,
      );
      const batch = {
        tasks: [
          { taskId, task: fits },
          { taskId: other, task: over },
        ],
      };
      expect(await refused(strict.root.post('/queue/v1/tasks/create', batch), 413)).toMatch(/^tasks\[1\]: .*20001 bytes/);
      expect(await tasks.rowCounts()).toEqual(before);
    } finally {
      await strict.close();
    }
  });

  it('is 1 MiB by default', async () => {
    const [fits, over] = await largest(1024 * 1024);
    await ok(tasks.put(slugid(), fits));
    await refused(tasks.put(slugid(), over), 413);
  });

  it('is told only to who may create the task', async () => {
    const [, over] = await largest(1024 * 1024);
    const other = await test.client('queue:create-task:project:other', 'queue:create-task:lowest:test/queue', 'queue:scheduler-id:-');
    await refused(other.put(`/queue/v1/task/${slugid()}`, over), 403);
  });

  it('is kept in bytes, however the task was created', async () => {
    const [one, another] = [slugid(), slugid()];
    const payload = { text: 'ä€𝄞\u0000"\\' };
    await ok(tasks.put(one, definition({ payload })));
    await ok(test.root.post('/queue/v1/tasks/create', { tasks: [{ taskId: another, task: definition({ payload }) }] }));
    const { rows } = await test.database.pool.query('select task_id, size from task_definition where task_id in ($1, $2)', [one, another]);
    expect(rows).toHaveLength(2);
    for (const { task_id, size } of rows) {
      expect(size).toBe(Buffer.byteLength(JSON.stringify(await ok(test.root.get(`/queue/v1/task/${task_id}`)))));
    }
  });
});

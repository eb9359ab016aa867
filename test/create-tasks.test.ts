import fc from 'fast-check';
import type { Answer, Api } from './support/api.js';
import { definition, slugid } from './support/api.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

const PATH = '/queue/v1/tasks/create';
const MINUTE = 60_000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
const shuffled = <T>(items: T[]): T[] =>
  items
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);

interface Item {
  taskId: string;
  task: Record<string, unknown>;
}
const item = (overrides: Record<string, unknown> = {}, taskId = slugid()): Item => ({ taskId, task: definition(overrides) });

let test: TestService;
let tasks: Tasks;
let second: Awaited<ReturnType<TestService['replica']>>;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  second = await test.replica();
  tasks = new Tasks(test.root, test.database);
});
afterAll(async () => {
  await second.close();
  await test.close();
});

const post = (items: unknown, api: Api = test.root, authorizedScopes?: string[]): Promise<Answer> =>
  api.post(PATH, { tasks: items }, authorizedScopes ? { authorizedScopes } : {});

async function create(items: Item[]): Promise<string[]> {
  const { tasks: created } = await ok(post(items));
  expect(created.map(({ taskId }: Item) => taskId)).toEqual(items.map(({ taskId }) => taskId));
  return created.map(({ status }: { status: { state: string } }) => status.state);
}

async function counts(): Promise<Record<string, number>> {
  const { rows } = await test.database.pool.query('select count(*)::integer as events from event');
  return { ...(await tasks.rowCounts()), ...rows[0] };
}

/** Refused with this status, and nothing was written, no event either; answers the message. */
async function refusedWithoutATrace(items: unknown, status: number, api?: Api, authorizedScopes?: string[]): Promise<string> {
  const before = await counts();
  const message = await refused(post(items, api, authorizedScopes), status);
  expect(await counts()).toEqual(before);
  return message;
}

/** All that the database holds of these tasks, but for the moments of creation. */
async function world(taskIds: string[]): Promise<unknown> {
  const { rows } = await test.database.pool.query(
    `select task_definition.definition, digest, scopes, task_definition.retries, to_jsonb(task) - 'scheduled' as task,
            (select jsonb_agg(to_jsonb(edge) order by edge.required_task_id) from task_dependency edge
              where edge.dependent_task_id = task.task_id) as edges,
            (select json_agg(event.kind order by tx, id) from event where event.task_id = task.task_id) as events
       from task join task_definition using (task_id)
      where task_id = any($1)
      order by array_position($1, task_id)`,
    [taskIds],
  );
  return rows;
}

const OWN = { taskId: expect.any(String), task_id: expect.any(String), task_group_id: expect.any(String) };

describe('createTasks', () => {
  it('makes what createTask makes, and answers what createTask answers', async () => {
    const [required, group] = [await tasks.create(), slugid()];
    const shapes = [
      {},
      { taskGroupId: group, scopes: ['a:b', "!#$%&'(),*"], routes: ['r{},x'], priority: 'high', retries: 0, payload: { a: '\u0000"\\{}' } },
      { taskGroupId: group, dependencies: [required], requires: 'all-resolved', projectId: 'p', tags: { a: 'b' }, extra: { x: [null] } },
    ].map((shape) => definition(shape));
    const [singly, together] = [shapes.map(() => slugid()), shapes.map(() => slugid())];
    const answers = [];
    for (const [index, taskId] of singly.entries()) answers.push((await ok(tasks.put(taskId, shapes[index]))).status);
    const { tasks: created } = await ok(post(together.map((taskId, index) => ({ taskId, task: shapes[index] }))));
    const strip = (value: unknown, ids: string[]) =>
      ids.reduce((text, id, index) => text.replaceAll(id, `task ${index}`), JSON.stringify(value)).replace(/"scheduled":"[^"]*"/g, '');
    expect(
      strip(
        created.map(({ status }: { status: object }) => status),
        together,
      ),
    ).toBe(strip(answers, singly));
    const digestless = (rows: unknown) => (rows as { digest: unknown }[]).map(({ digest: _, ...row }) => row);
    expect(strip(digestless(await world(together)), together)).toBe(strip(digestless(await world(singly)), singly));
    for (const taskId of together) expect(await tasks.status(taskId)).toEqual(created[together.indexOf(taskId)].status);
  });

  it('answers a status as the contract has it, in the order of the request', async () => {
    const [first, last] = [item(), item()];
    first.task.dependencies = [last.taskId];
    expect(await ok(post([first, last]))).toEqual({
      tasks: [
        { taskId: first.taskId, status: { ...(await tasks.status(first.taskId)), state: 'unscheduled', runs: [] } },
        {
          taskId: last.taskId,
          status: {
            ...OWN,
            taskId: last.taskId,
            provisionerId: 'test',
            workerType: 'queue',
            taskQueueId: 'test/queue',
            schedulerId: '-',
            projectId: 'none',
            taskGroupId: last.taskId,
            priority: 'lowest',
            deadline: last.task.deadline,
            expires: last.task.expires,
            retriesLeft: 5,
            state: 'pending',
            runs: [{ runId: 0, state: 'pending', reasonCreated: 'scheduled', scheduled: expect.any(String) }],
            task_id: undefined,
            task_group_id: undefined,
          },
        },
      ],
    });
  });

  it('wakes a worker that waits on any replica', async () => {
    const waiting = [test, await test.replica({ claimPoll: 20 })];
    const began = Date.now();
    const claim = waiting[1]!.root.post('/queue/v1/claim-work/test%2Fwoken', { workerGroup: 'g', workerId: 'w', tasks: 2 });
    await new Promise((done) => setTimeout(done, 200));
    await create([item({ taskQueueId: 'test/woken' }), item({ taskQueueId: 'test/asleep' })]);
    expect((await ok(claim)).tasks).toHaveLength(1);
    expect(Date.now() - began).toBeLessThan(10_000);
    await (waiting[1] as typeof second).close();
  });
});

describe('the scopes of the creator', () => {
  const asked = { priority: 'high', projectId: 'proj', schedulerId: 'sched', routes: ['x.y'], scopes: ['a:b', 'c:*'] };
  const needed = [
    'a:b',
    'c:*',
    'queue:route:x.y',
    'queue:create-task:project:proj',
    'queue:scheduler-id:sched',
    'queue:create-task:high:test/queue',
  ];
  const plain = ['queue:create-task:project:none', 'queue:scheduler-id:-', 'queue:create-task:lowest:test/plain'];

  it('are enough, and each is needed for the one task that asks for it, which is named', async () => {
    const creator = await test.client(...needed, ...plain);
    const simple = (count: number) => times(count, () => item({ taskQueueId: 'test/plain' }));
    const items = () => [...simple(30), item(asked), ...simple(5)];
    for (const scope of needed) {
      const less = [...needed, ...plain].filter((one) => one !== scope);
      const message = await refusedWithoutATrace(items(), 403, creator, less);
      expect(message).toContain('tasks[30]: ');
      expect(message).toContain(scope);
    }
    for (const scope of plain) {
      const less = [...needed, ...plain].filter((one) => one !== scope);
      expect(await refusedWithoutATrace(items(), 403, creator, less)).toContain('tasks[0]: ');
    }
    await ok(post(items(), creator));
  });

  it('near misses are misses', async () => {
    const near: [string, string][] = [
      ['c:*', 'c:d'],
      ['a:b', 'a:bc'],
      ['queue:route:x.y', 'queue:route:x'],
      ['queue:create-task:project:proj', 'queue:create-task:project:proj/*'],
      ['queue:scheduler-id:sched', 'queue:scheduler-id:sche'],
      ['queue:create-task:high:test/queue', 'queue:create-task:medium:test/queue'],
      ['queue:create-task:high:test/queue', 'queue:create-task:high:test/other'],
    ];
    for (const [right, wrong] of near) {
      const held = needed.map((scope) => (scope === right ? wrong : scope));
      expect(await refusedWithoutATrace([item(asked)], 403, test.root, held)).toContain(right);
    }
    await ok(
      post(
        [item(asked)],
        test.root,
        needed.map((scope) => scope.replace(':high:', ':highest:')),
      ),
    );
  });

  it('come before what exists: who may not create learns nothing', async () => {
    const known = item();
    await create([known]);
    const sealed = slugid();
    await tasks.create({ taskGroupId: sealed });
    await ok(test.root.post(`/queue/v1/task-group/${sealed}/seal`));
    const stranger = await test.client(...plain);
    const secret = { scopes: ['secret'] };
    const messages = [];
    for (const first of [item({ retries: 1 }, known.taskId), item({ taskGroupId: sealed }), item({ dependencies: [slugid()] }), item()]) {
      first.task.taskQueueId = 'test/plain';
      messages.push((await refusedWithoutATrace([first, item(secret)], 403, stranger)).split('---')[0]);
    }
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toContain('tasks[1]');
  });

  it('anonymous callers have none, also none for a task that exists', async () => {
    const known = item();
    await create([known]);
    for (const one of [item(), known]) expect(await refusedWithoutATrace([one], 403, test.root.as())).toContain('tasks[0]');
  });

  it('are asked for again when a batch is repeated', async () => {
    const one = item(asked);
    await ok(post([one], test.root, needed));
    await refusedWithoutATrace([one], 403, test.root, needed.slice(1));
  });

  it('are looked through quickly, however many are held and asked for', async () => {
    const creator = await test.client('queue:*', ...times(9_000, (n) => `held:${n}:*`));
    const items = times(3_000, (n) => item({ taskQueueId: `test/q${n}`, scopes: [`held:${n}:x`] }));
    items.at(-1)!.task.scopes = ['lacked'];
    const began = Date.now();
    expect(await refusedWithoutATrace(items, 403, creator)).toContain('tasks[2999]');
    expect(Date.now() - began).toBeLessThan(8_000);
  });
});

describe('refusals', () => {
  const among = (one: Item, place = 3) => [...times(place, () => item()), one, item()];

  it.each<[string, unknown]>([
    ['metadata.name', { metadata: { name: 1, description: '', owner: '', source: 'http://x' } }],
    ['metadata', { metadata: null }],
    ['retries', { retries: 50 }],
    ['taskQueueId', { taskQueueId: 'p/W' }],
    ['priority', { priority: 'normal' }],
    ['deadline', { deadline: 'tomorrow' }],
    ['payload', { payload: undefined }],
    ['scopes', { scopes: ['a b'] }],
    ['dependencies', { dependencies: ['x'] }],
    ['dependencies', { dependencies: ['fN1SbArXTPSVFNUvaOlinQ', 'fN1SbArXTPSVFNUvaOlinQ'] }],
    ['constructor', { constructor: {} }],
    ['taskId', { taskId: 'fN1SbArXTPSVFNUvaOlinQ' }],
  ])('of a wrong %s name it by its path', async (field, change) => {
    const message = await refusedWithoutATrace(among(item(change as Record<string, unknown>)), 400);
    expect(message).toContain(`tasks[3].task.${field} `);
  });

  it('of a list that is none, empty or too long, and of elements that are none', async () => {
    for (const wrong of [undefined, null, {}, 'x', 1, { 0: item(), length: 1 }])
      expect(await refusedWithoutATrace(wrong, 400)).toContain('tasks');
    expect(await refusedWithoutATrace([], 400)).toContain('tasks has 0 elements; this operation takes 1 to 3000');
    expect(
      await refusedWithoutATrace(
        times(3_001, () => ({})),
        400,
      ),
    ).toContain('tasks has 3001 elements');
    for (const wrong of [null, 1, 'x', []]) expect(await refusedWithoutATrace([item(), wrong], 400)).toContain('tasks[1] must be');
    expect(await refusedWithoutATrace([item(), { task: definition() }], 400)).toContain('tasks[1].taskId');
    expect(await refusedWithoutATrace([item(), { taskId: slugid() }], 400)).toContain('tasks[1].task ');
    expect(await refusedWithoutATrace([item({}, 'x')], 400)).toContain('tasks[0].taskId');
    expect(await refusedWithoutATrace([{ ...item(), more: 1 }], 400)).toContain('tasks[0].more is not a field');
    await refused(test.root.post(PATH), 400);
    await refused(test.root.post(PATH, { tasks: [item()], more: 1 }), 400);
  });

  it.each<[string, () => Record<string, unknown>]>([
    ['taskQueueId', () => ({ workerType: 'other' })],
    ['created', () => ({ created: inMs(-16 * MINUTE) })],
    ['deadline', () => ({ deadline: inMs(-MINUTE) })],
    ['deadline', () => ({ deadline: inMs(6 * 24 * 60 * MINUTE), expires: inMs(9 * 24 * 60 * MINUTE) })],
    ['expires', () => ({ expires: inMs(MINUTE) })],
    ['**', () => ({ scopes: ['a:**'] })],
  ])('of what contradicts itself or the clock (%s) name the index', async (what, change) => {
    const message = await refusedWithoutATrace(among(item(change())), 400);
    expect(message).toContain('tasks[3]: ');
    expect(message).toContain(what);
  });

  it('of one task id twice, also of the same definition', async () => {
    const one = item();
    expect(await refusedWithoutATrace([one, item(), one], 400)).toContain('tasks[2] has the task id of tasks[0]');
  });

  it('of a known id with another definition', async () => {
    const known = item();
    await create([known]);
    const message = await refusedWithoutATrace(among({ ...known, task: { ...known.task, retries: 1 } }), 409);
    expect(message).toContain(`tasks[3]: Task ${known.taskId} exists already`);
    expect(await ok(test.root.get(`/queue/v1/task/${known.taskId}`))).toMatchObject({ retries: 5 });
  });

  it('of a group that is sealed or of another scheduler, known or new', async () => {
    const [sealed, foreign, fresh] = [slugid(), slugid(), slugid()];
    const known = item({ taskGroupId: sealed });
    await create([known, item({ taskGroupId: foreign, schedulerId: 'one' })]);
    await ok(test.root.post(`/queue/v1/task-group/${sealed}/seal`));
    for (const one of [item({ taskGroupId: sealed }), known]) {
      expect(await refusedWithoutATrace(among(one), 409)).toMatch(/tasks\[3\]: Task group .* is sealed/);
    }
    expect(await refusedWithoutATrace(among(item({ taskGroupId: foreign })), 409)).toMatch(/tasks\[3\]: .* belongs to schedulerId one/);
    const both = [item({ taskGroupId: fresh, schedulerId: 'b' }), item({ taskGroupId: fresh, schedulerId: 'a' })];
    expect(await refusedWithoutATrace(both, 409)).toMatch(/tasks\[1\]: .* belongs to schedulerId b, not a/);
  });

  it('of dependencies that are missing or expire too early, in the batch or outside', async () => {
    const missing = slugid();
    expect(await refusedWithoutATrace(among(item({ dependencies: [missing] })), 400)).toMatch(`tasks[3]: 1 dependencies do not exist`);
    const brief = { deadline: inMs(MINUTE), expires: inMs(2 * MINUTE) };
    const outside = await tasks.create(brief);
    expect(await refusedWithoutATrace(among(item({ dependencies: [outside] })), 400)).toMatch(/tasks\[3\]: 1 dependencies expire before/);
    const inside = item(brief);
    const message = await refusedWithoutATrace([item(), item({ dependencies: [inside.taskId] }), inside], 400);
    expect(message).toContain('tasks[1]: 1 dependencies expire before');
    expect(message).toContain(inside.taskId);
  });

  it('of circles, by their indexes', async () => {
    const [a, b, c, d] = times(4, () => item()) as [Item, Item, Item, Item];
    Object.assign(a.task, { dependencies: [b.taskId] });
    Object.assign(b.task, { dependencies: [c.taskId] });
    Object.assign(c.task, { dependencies: [c.taskId, a.taskId] });
    Object.assign(d.task, { dependencies: [a.taskId] });
    expect(await refusedWithoutATrace([d, a, item(), b, c], 400)).toMatch(
      /circle.*: tasks\[1\] on tasks\[3\] on tasks\[4\] on tasks\[1\];/,
    );
    const ring = times(3_000, () => item());
    for (const [index, one] of ring.entries()) one.task.dependencies = [ring[(index + 1) % ring.length]!.taskId];
    expect((await refusedWithoutATrace(ring, 400)).length).toBeLessThan(2_000);
  });

  it('of too many dependencies, of one task and of all', async () => {
    const strict = await test.replica({ taskMaxDependencies: 3 });
    try {
      const required = times(4, () => item());
      const dependent = item({ dependencies: required.map(({ taskId }) => taskId) });
      expect(await refusedWithoutATrace([...required, dependent], 400, strict.root)).toMatch(/tasks\[4\]: .*4 dependencies.*TASK_MAX_DEP/);
    } finally {
      await strict.close();
    }
    const many = times(202, () => item());
    const ids = many.slice(0, 100).map(({ taskId }) => taskId);
    for (const one of many.slice(100)) one.task.dependencies = ids;
    for (const one of many.slice(0, 99)) one.task.dependencies = [slugid(), ...times(98, slugid)];
    expect(await refusedWithoutATrace(many, 400)).toMatch(/The tasks have 20001 dependencies; a request may have 20000/);
  });
});

describe('dependencies in a batch', () => {
  /** A DAG as lists of earlier indexes. */
  const dag = fc
    .array(fc.record({ on: fc.array(fc.nat(), { maxLength: 4 }), self: fc.boolean(), any: fc.boolean(), size: fc.nat() }), {
      minLength: 1,
      maxLength: 9,
    })
    .map((nodes) =>
      nodes.map(({ on, self, any }, index) => ({
        on: [...new Set(index > 0 ? on.map((n) => n % index) : []), ...(self && index % 3 === 0 ? [index] : [])],
        requires: any ? 'all-resolved' : 'all-completed',
      })),
    );

  it('make the same world in any order, and the one that creating them one by one makes', async () => {
    await fc.assert(
      fc.asyncProperty(dag, fc.infiniteStream(fc.double({ noNaN: true })), async (nodes, keys) => {
        const common = definition();
        const build = (ids: string[]): Item[] =>
          nodes.map(({ on, requires }, index) => ({
            taskId: ids[index]!,
            task: { ...common, requires, dependencies: on.map((n) => ids[n]) },
          }));
        const [oneByOne, inOrder, inDisorder] = times(3, () => nodes.map(() => slugid())) as [string[], string[], string[]];
        for (const { taskId, task } of build(oneByOne)) await ok(tasks.put(taskId, task));
        await create(build(inOrder));
        const order = nodes.map((_, index) => ({ index, key: keys.next().value ?? 0 })).sort((a, b) => a.key - b.key);
        const disordered = build(inDisorder);
        await create(order.map(({ index }) => disordered[index]!));
        const worlds = await Promise.all(
          [oneByOne, inOrder, inDisorder].map(async (ids) => {
            const rows = (await world(ids)) as { digest: unknown; edges: { required_task_id: string }[] | null }[];
            const plain = rows.map(({ digest: _, edges, ...row }) => ({
              ...row,
              edges: (edges ?? []).sort((a, b) => ids.indexOf(a.required_task_id) - ids.indexOf(b.required_task_id)),
            }));
            return ids.reduce((text, id, index) => text.replaceAll(id, `task ${index}`), JSON.stringify(plain));
          }),
        );
        expect(worlds[1]).toBe(worlds[0]);
        expect(worlds[2]).toBe(worlds[0]);
      }),
      { numRuns: 25 },
    );
  });

  it('fan out and in, and unblock link by link', async () => {
    const [source, sink] = [item(), item()];
    const middle = times(20, () => item({ dependencies: [source.taskId] }));
    sink.task.dependencies = middle.map(({ taskId }) => taskId);
    const states = await create([sink, ...middle, source]);
    expect(states).toEqual([...times(21, () => 'unscheduled'), 'pending']);
    await tasks.run('completed', source.taskId);
    for (const [index, { taskId }] of middle.entries()) {
      expect([index, await tasks.state(taskId), await tasks.state(sink.taskId)]).toEqual([index, 'pending', 'unscheduled']);
      await tasks.run('completed', taskId);
    }
    expect(await tasks.state(sink.taskId)).toBe('pending');
  });

  it('on tasks that exist count as they stand, in both modes', async () => {
    const [pending, completed, failed, exception] = [
      await tasks.create(),
      await tasks.create(),
      await tasks.create(),
      await tasks.create(),
    ];
    await tasks.run('completed', completed);
    await tasks.run('failed', failed);
    await tasks.run('malformed-payload', exception);
    const on = (requires: string, ...dependencies: string[]) => item({ requires, dependencies });
    const batch = [pending, completed, failed, exception].flatMap((id) => [on('all-completed', id), on('all-resolved', id)]);
    const both = on('all-resolved', completed, failed, batch[2]!.taskId);
    expect(await create([both, ...batch])).toEqual([
      'unscheduled',
      ...['unscheduled', 'unscheduled', 'pending', 'pending', 'unscheduled', 'pending', 'unscheduled', 'pending'],
    ]);
    await tasks.run('completed', pending);
    expect([await tasks.state(batch[0]!.taskId), await tasks.state(batch[1]!.taskId)]).toEqual(['pending', 'pending']);
    await tasks.run('failed', batch[2]!.taskId);
    expect(await tasks.state(both.taskId)).toBe('pending');
  });

  it('on oneself wait for scheduleTask, others for both', async () => {
    const self = item();
    self.task.dependencies = [self.taskId];
    const after = item({ dependencies: [self.taskId] });
    expect(await create([after, self])).toEqual(['unscheduled', 'unscheduled']);
    await ok(tasks.steer('schedule', self.taskId));
    await tasks.run('completed', self.taskId);
    expect(await tasks.state(after.taskId)).toBe('pending');
  });
});

describe('the same batch again', () => {
  it('answers the same, and later what has become of it', async () => {
    const [first, other] = [item(), item()];
    const last = item({ dependencies: [first.taskId, other.taskId] });
    const batch = [last, first, other];
    const answer = await ok(post(batch));
    const before = await counts();
    expect(await ok(post(batch))).toEqual(answer);
    expect(await ok(post(batch, second.root))).toEqual(answer);
    expect(await counts()).toEqual(before);
    await tasks.run('completed', first.taskId);
    expect(await create(batch)).toEqual(['unscheduled', 'completed', 'pending']);
  });

  it('with more tasks creates those that are new, which may depend on the others', async () => {
    const known = times(4, () => item()) as [Item, Item, Item, Item];
    await create(known);
    await tasks.run('completed', known[0].taskId);
    await tasks.run('failed', known[1].taskId);
    const more = [[known[0]], [known[1]], [known[0], known[2]]].map((on) => item({ dependencies: on.map(({ taskId }) => taskId) }));
    expect(await create([...more, ...known])).toEqual([
      'pending',
      'unscheduled',
      'unscheduled',
      'completed',
      'failed',
      'pending',
      'pending',
    ]);
    await tasks.run('completed', known[2].taskId);
    expect(await tasks.state(more[2]!.taskId)).toBe('pending');
  });

  it('is no conflict when a dependency is gone by now', async () => {
    const required = await tasks.create();
    const batch = [item({ dependencies: [required] }), item()];
    await create(batch);
    await test.database.pool.query('delete from task_definition where task_id = $1', [required]);
    await test.database.pool.query('delete from task where task_id = $1', [required]);
    expect(await create(batch)).toEqual(['unscheduled', 'pending']);
  });

  it('and createTask of its tasks are the same, either way round', async () => {
    const [one, other] = [item(), item()];
    await ok(tasks.put(one.taskId, one.task));
    await create([one, other]);
    await ok(tasks.put(other.taskId, other.task));
    await refused(tasks.put(other.taskId, { ...other.task, retries: 1 }), 409);
  });
});

describe('at the same moment', () => {
  const apis = () => [test.root, second.root];
  const statuses = (answers: Answer[]) => answers.map(({ status }) => status);

  it('the same batch in different orders is created once, and all are answered', async () => {
    for (let round = 0; round < 5; round++) {
      const taskGroupId = slugid();
      const batch = times(60, () => item({ taskGroupId }));
      for (const [index, one] of batch.entries())
        one.task.dependencies = batch.slice(Math.max(0, index - 3), index).map(({ taskId }) => taskId);
      const before = await counts();
      const answers = await Promise.all(times(8, (n) => post(shuffled(batch), apis()[n % 2])));
      expect(statuses(answers)).toEqual(times(8, () => 200));
      const after = await counts();
      expect([after.task! - before.task!, after.task_dependency! - before.task_dependency!, after.events! - before.events!]).toEqual([
        60, 174, 61,
      ]);
    }
  });

  it('overlapping batches that contradict each other: one or none of them, and never a part', async () => {
    for (let round = 0; round < 10; round++) {
      const contested = item();
      const batches = times(6, (n) => shuffled([...times(20, () => item()), { ...contested, task: { ...contested.task, retries: n } }]));
      const answers = await Promise.all(batches.map((batch, n) => post(batch, apis()[n % 2])));
      expect(statuses(answers).sort()).toEqual([200, 409, 409, 409, 409, 409]);
      for (const [n, batch] of batches.entries()) {
        const { statuses: there } = await ok(test.root.post('/queue/v1/tasks/status', { taskIds: batch.map(({ taskId }) => taskId) }));
        expect(there.length).toBe(answers[n]?.status === 200 ? 21 : 1);
      }
    }
  });

  it('a batch and createTask of its tasks in one new group', async () => {
    for (let round = 0; round < 8; round++) {
      const [required, taskGroupId] = [await tasks.create(), slugid()];
      const batch = times(40, (n) => item({ taskGroupId, dependencies: n % 4 ? [] : [required] }));
      const singles = shuffled(batch)
        .slice(0, 25)
        .map(({ taskId, task }, n) => apis()[n % 2]!.put(`/queue/v1/task/${taskId}`, task));
      const answers = await Promise.all([post(batch), post(shuffled(batch), second.root), ...singles]);
      expect(statuses(answers)).toEqual(answers.map(() => 200));
      const { rows } = await test.database.pool.query('select count(*)::integer as size from task where task_group_id = $1', [taskGroupId]);
      expect(rows[0].size).toBe(40);
    }
  });

  it('batches, and createTask for their tasks one after the other, which depend on one another', async () => {
    for (let round = 0; round < 8; round++) {
      const chain = times(30, () => item());
      for (const [index, one] of chain.entries()) if (index > 0) one.task.dependencies = [chain[index - 1]!.taskId];
      const singly = async () => {
        for (const { taskId, task } of chain) await ok(tasks.put(taskId, task));
      };
      const batches = times(3, async (n) => {
        await new Promise((done) => setTimeout(done, 20 * round * n));
        return create(shuffled(chain));
      });
      await Promise.all([singly(), ...batches]);
      for (const { taskId } of chain) await tasks.run('completed', taskId); // link by link: no edge is missing or left over
    }
  });

  it('batches of two schedulers for the same new groups: one has them all', async () => {
    for (let round = 0; round < 10; round++) {
      const groups = times(5, slugid);
      const batch = (schedulerId: string) => shuffled(groups).map((taskGroupId) => item({ taskGroupId, schedulerId }));
      const answers = await Promise.all(times(6, (n) => post(batch(n % 2 ? 'a' : 'b'), apis()[n % 2])));
      expect(statuses(answers).sort()).toEqual([200, 200, 200, 409, 409, 409]);
      const { rows } = await test.database.pool.query('select distinct scheduler_id from task where task_group_id = any($1)', [groups]);
      expect(rows).toHaveLength(1);
    }
  });

  it('a seal lets all of a batch in or nothing', async () => {
    const seen = new Set<number>();
    for (let round = 0; round < 12; round++) {
      const taskGroupId = slugid();
      await tasks.create({ taskGroupId });
      const batches = times(4, () => times(30, () => item({ taskGroupId })));
      const creating = batches.map(async (batch, n) => {
        await new Promise((done) => setTimeout(done, n * 15));
        return post(batch, apis()[n % 2]);
      });
      await new Promise((done) => setTimeout(done, round * 6));
      await ok(test.root.post(`/queue/v1/task-group/${taskGroupId}/seal`));
      const size = async () =>
        (await test.database.pool.query('select count(*)::integer as size from task where task_group_id = $1', [taskGroupId])).rows[0].size;
      const sealed = await size();
      const answers = statuses(await Promise.all(creating));
      for (const status of answers) seen.add(status);
      expect(await size()).toBe(sealed);
      expect(sealed).toBe(1 + 30 * answers.filter((status) => status === 200).length);
    }
    expect([...seen].sort()).toEqual([200, 409]);
  });

  it('dependencies that end are not missed', async () => {
    for (let round = 0; round < 15; round++) {
      const required = await Promise.all(times(6, () => tasks.create()));
      await Promise.all(required.map((taskId) => ok(tasks.claimTask(taskId))));
      const batches = times(4, () => times(15, (n) => item({ dependencies: shuffled(required).slice(0, 1 + (n % 6)) })));
      const ends = required.map(async (taskId, n) => {
        await new Promise((done) => setTimeout(done, n * 4));
        await ok(tasks.report('completed', taskId));
      });
      const [answers] = await Promise.all([Promise.all(batches.map((batch, n) => post(batch, apis()[n % 2]))), ...ends]);
      expect(statuses(answers)).toEqual(times(4, () => 200));
      const ids = batches.flat().map(({ taskId }) => taskId);
      const { rows } = await test.database.pool.query(
        'select state, unsatisfied, count(*) from task where task_id = any($1) group by 1, 2',
        [ids],
      );
      expect(rows).toEqual([{ state: 'pending', unsatisfied: 0, count: '60' }]);
    }
  });

  it('ends that are told to dependents do not meet creators who depend on both in a circle', async () => {
    for (let round = 0; round < 3; round++) {
      const ids = times(24, slugid).sort();
      const [waiting, required] = [ids.slice(0, 12), ids.slice(12)]; // who waits comes before what it waits for
      await ok(post(required.map((taskId) => ({ ...item(), taskId }))));
      await ok(post(waiting.map((taskId) => ({ ...item({ dependencies: required }), taskId }))));
      for (const taskId of required) await ok(tasks.claimTask(taskId));
      await Promise.all([
        ...times(6, (n) =>
          ok(
            post(
              times(5, () => item({ dependencies: ids })),
              apis()[n % 2],
            ),
          ),
        ),
        ...times(6, () => tasks.create({ dependencies: ids })),
        ...required.map((taskId) => ok(tasks.report('completed', taskId))),
      ]);
    }
  });

  it('nobody has waited in a circle, which Postgres would have ended after a second', async () => {
    const { rows } = await test.database.pool.query('select deadlocks from pg_stat_database where datname = current_database()');
    expect(rows).toEqual([{ deadlocks: '0' }]);
  });
});

it('3 000 tasks with 10 000 dependencies among them are one request, and so is their repetition', async () => {
  const taskGroupId = slugid();
  const batch = times(3_000, (n) => item({ taskGroupId, taskQueueId: `test/q${n % 50}`, payload: { env: 'x'.repeat(1_000) } }));
  for (const [index, one] of batch.entries()) {
    one.task.dependencies = times(
      Math.min(index, 3 + (index % 3 === 0 ? 1 : 0)),
      (n) => batch[Math.floor((index * (n + 1)) / 6)]!.taskId,
    ).filter((taskId, at, all) => all.indexOf(taskId) === at && taskId !== one.taskId);
  }
  const edges = batch.reduce((sum, { task }) => sum + (task.dependencies as string[]).length, 0);
  expect(edges).toBeGreaterThan(9_900);
  const before = await counts();
  const began = Date.now();
  const states = await create(shuffled(batch));
  expect(Date.now() - began).toBeLessThan(15_000);
  expect(states.filter((state) => state === 'pending')).toHaveLength(
    batch.filter(({ task }) => (task.dependencies as []).length === 0).length,
  );
  const after = await counts();
  expect([after.task! - before.task!, after.task_dependency! - before.task_dependency!]).toEqual([3_000, edges]);
  await create(batch);
  expect(await counts()).toEqual(after);
});

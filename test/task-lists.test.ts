import { SweepService } from '../src/service/queue/sweep.service.js';
import { slugid } from './support/api.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const many = (count: number, make: () => Promise<string>) => Promise.all(Array.from({ length: count }, make));

describe.each([
  ['tasks', '/queue/v1/tasks', 'tasks', 'queue:get-task'],
  ['statuses', '/queue/v1/tasks/status', 'statuses', 'queue:status'],
] as const)('%s', (_, path, list, scope) => {
  it('wants the scope of each task named, and none for none', async () => {
    const [one, other] = [await tasks.create(), await tasks.create()];
    const caller = await test.client(`${scope}:${one}`);
    await refused(caller.post(path, { taskIds: [one, other] }), 403);
    await refused(caller.post(path, { taskIds: [other] }), 403);
    await refused(test.root.as().post(path, { taskIds: [one] }), 403);
    const answer = await ok(caller.post(path, { taskIds: [one] }));
    expect(answer[list].map(({ taskId }: { taskId: string }) => taskId)).toEqual([one]);
    expect(await ok(test.root.as().post(path, { taskIds: [] }))).toEqual({ [list]: [] });
    expect(await ok(test.root.as().post(path, {}))).toEqual({ [list]: [] });
  });

  it('answers page by page what exists, as it is answered one by one', async () => {
    const taskIds = (await many(7, () => tasks.create())).sort();
    const seen: { taskId: string; task?: unknown; status?: unknown }[] = [];
    let query = '?limit=3';
    for (let pages = 1; query && pages <= 10; pages++) {
      const body = await ok(test.root.post(`${path}${query}`, { taskIds: [...taskIds, slugid()].reverse() }));
      expect(body[list].length).toBe(pages < 3 ? 3 : 1);
      seen.push(...body[list]);
      query = body.continuationToken ? `?limit=3&continuationToken=${body.continuationToken}` : '';
    }
    expect(seen.map(({ taskId }) => taskId)).toEqual(taskIds);
    const [first] = seen;
    if (list === 'tasks') expect(first?.task).toEqual(await ok(test.root.get(`/queue/v1/task/${taskIds[0]}`)));
    else expect(first?.status).toEqual(await tasks.status(taskIds[0]!));
  });

  it('refuses what is no list of task ids, and tokens it did not give', async () => {
    for (const taskIds of ['x', [1], ['x'], [null], {}]) await refused(test.root.post(path, { taskIds }), 400);
    await refused(test.root.post(path), 400);
    await refused(test.root.post(`${path}?continuationToken=x`, { taskIds: [] }), 400);
    await refused(test.root.post(`${path}?limit=x`, { taskIds: [] }), 400);
  });
});

describe('listDependentTasks', () => {
  const path = (taskId: string) => `/queue/v1/task/${taskId}/dependents`;

  it('wants its scope, and a task', async () => {
    const taskId = await tasks.create();
    const other = await test.client(`queue:list-dependent-tasks:${slugid()}`, `queue:get-task:${taskId}`);
    await refused(other.get(path(taskId)), 403);
    const caller = await test.client(`queue:list-dependent-tasks:${taskId}`);
    expect(await ok(caller.get(path(taskId)))).toEqual({ taskId, tasks: [] });
    await refused(test.root.get(path(slugid())), 404);
  });

  it('answers the dependents page by page, waiting or not, and goes on when one expires between pages', async () => {
    const required = await tasks.create();
    const dependents = (await many(5, () => tasks.create({ dependencies: [required] }))).sort();
    await tasks.run('completed', required);
    const first = await ok(test.root.get(`${path(required)}?limit=2`));
    expect(first.tasks.map(({ status }: { status: { taskId: string } }) => status.taskId)).toEqual(dependents.slice(0, 2));
    expect(first.tasks[0]).toEqual({
      status: await tasks.status(dependents[0]!),
      task: await ok(test.root.get(`/queue/v1/task/${dependents[0]}`)),
    });
    for (const table of ['task', 'task_definition']) {
      await test.database.pool.query(`update ${table} set expires = now() - interval '1 hour' where task_id = $1`, [dependents[2]]);
    }
    await test.service.app.get(SweepService).expire();
    const second = await ok(test.root.get(`${path(required)}?limit=2&continuationToken=${first.continuationToken}`));
    expect(second.tasks.map(({ status }: { status: { taskId: string } }) => status.taskId)).toEqual(dependents.slice(3));
    expect(second.continuationToken).toBeUndefined();
  });
});

describe('changeTaskPriority', () => {
  const change = (taskId: string, newPriority: unknown, api = test.root) => api.post(`/queue/v1/task/${taskId}/priority`, { newPriority });

  it('wants the scope of the task or of its queue', async () => {
    const taskId = await tasks.create({ taskQueueId: 'test/priority-scopes' });
    for (const scope of [`queue:change-task-priority:${slugid()}`, 'queue:change-task-priority-in-queue:test/other', 'queue:status:*']) {
      await refused(change(taskId, 'high', await test.client(scope)), 403);
    }
    const missing = slugid();
    const stranger = await test.client('queue:change-task-priority-in-queue:test/*');
    const same = (message: string, id: string) => message.replaceAll(id, 'X').split('---')[0];
    const nobody = await test.client('nothing');
    expect(same(await refused(change(missing, 'high', nobody), 403), missing)).toBe(
      same(await refused(change(taskId, 'high', nobody), 403), taskId),
    );
    expect((await ok(change(taskId, 'high', stranger))).status.priority).toBe('high');
    expect((await ok(change(taskId, 'low', await test.client(`queue:change-task-priority:${taskId}`)))).status.priority).toBe('low');
  });

  it('moves a waiting task in its queue, and is seen everywhere', async () => {
    const taskQueueId = 'test/priority-order';
    const [first, second] = [
      await tasks.create({ taskQueueId, priority: 'medium' }),
      await tasks.create({ taskQueueId, priority: 'lowest' }),
    ];
    await ok(change(second, 'highest'));
    expect((await ok(test.root.get(`/queue/v1/task/${second}`))).priority).toBe('highest');
    const { tasks: claims } = await ok(tasks.claimWork(taskQueueId, 2));
    expect(
      claims.map(({ status, task }: { status: { taskId: string }; task: { priority: string } }) => [status.taskId, task.priority]),
    ).toEqual([
      [second, 'highest'],
      [first, 'medium'],
    ]);
  });

  it('to the one it has is fine, and so is the same createTask afterwards', async () => {
    const { definition } = await import('./support/api.js');
    const [taskId, body] = [slugid(), definition({ priority: 'low' })];
    await ok(tasks.put(taskId, body));
    for (const priority of ['low', 'high', 'high']) await ok(change(taskId, priority));
    expect((await ok(tasks.put(taskId, body))).status.priority).toBe('high');
  });

  it('works for a rerun task, not for one that has ended or is past its deadline', async () => {
    const taskId = await tasks.create();
    await tasks.run('failed', taskId);
    expect(await refused(change(taskId, 'high'), 409)).toMatch(/is failed/);
    await ok(tasks.steer('rerun', taskId));
    await ok(change(taskId, 'high'));
    await tasks.pastDeadline(taskId);
    expect(await refused(change(taskId, 'low'), 409)).toMatch(/deadline/);
    await refused(change(slugid(), 'low'), 404);
    for (const wrong of ['normal', '', null, 3, undefined]) await refused(change(taskId, wrong), 400);
  });
});

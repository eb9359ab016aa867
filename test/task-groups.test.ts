import { definition, slugid } from './support/api.js';
import { EventReader } from './support/event-reader.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const at = (taskGroupId: string, verb = '') => `/queue/v1/task-group/${taskGroupId}${verb && `/${verb}`}`;
const seal = (taskGroupId: string) => ok(test.root.post(at(taskGroupId, 'seal')));

async function group(size: number, overrides: Record<string, unknown> = {}): Promise<{ taskGroupId: string; taskIds: string[] }> {
  const taskGroupId = slugid();
  const taskIds = await Promise.all(Array.from({ length: size }, () => tasks.create({ taskGroupId, schedulerId: 'sched', ...overrides })));
  return { taskGroupId, taskIds: taskIds.sort() };
}

describe('getTaskGroup and listTaskGroup', () => {
  it('tell its scheduler, and that it expires an hour after its last task', async () => {
    const expires = new Date(Date.now() + 2 * 86_400_000).toISOString();
    const { taskGroupId } = await group(1, { expires });
    await tasks.create({ taskGroupId, schedulerId: 'sched' });
    const later = new Date(Date.parse(expires) + 3_600_000).toISOString();
    expect(await ok(test.root.get(at(taskGroupId)))).toEqual({ taskGroupId, schedulerId: 'sched', expires: later });
  });

  it('list its tasks page by page', async () => {
    const { taskGroupId, taskIds } = await group(5);
    const first = await ok(test.root.get(`${at(taskGroupId, 'list')}?limit=3`));
    const second = await ok(test.root.get(`${at(taskGroupId, 'list')}?limit=3&continuationToken=${first.continuationToken}`));
    const listed = [...first.tasks, ...second.tasks];
    expect(listed.map(({ status }) => status.taskId)).toEqual(taskIds);
    expect(second.continuationToken).toBeUndefined();
    expect(listed[4]).toEqual({ status: await tasks.status(taskIds[4]!), task: await ok(test.root.get(`/queue/v1/task/${taskIds[4]}`)) });
    expect([first.taskGroupId, first.schedulerId]).toEqual([taskGroupId, 'sched']);
  });
});

describe('sealTaskGroup', () => {
  it('is for ever, and the same again is fine', async () => {
    const { taskGroupId } = await group(1);
    const { sealed } = await seal(taskGroupId);
    expect(sealed).toMatch(/^\d{4}-.*Z$/);
    expect((await seal(taskGroupId)).sealed).toBe(sealed);
    expect((await ok(test.root.get(at(taskGroupId)))).sealed).toBe(sealed);
    expect(await refused(tasks.put(slugid(), definition({ taskGroupId, schedulerId: 'sched' })), 409)).toContain('sealed');
  });

  it('lets no task in once it has answered, whoever creates at the same time', async () => {
    for (let round = 0; round < 10; round++) {
      const { taskGroupId } = await group(1);
      const create = async () => (await tasks.put(slugid(), definition({ taskGroupId, schedulerId: 'sched' }))).status;
      const during = Array.from({ length: 8 }, create);
      await seal(taskGroupId);
      const { rows } = await test.database.pool.query('select count(*)::int as size from task where task_group_id = $1', [taskGroupId]);
      const statuses = await Promise.all(during);
      const { rows: later } = await test.database.pool.query('select count(*)::int as size from task where task_group_id = $1', [
        taskGroupId,
      ]);
      expect(later[0].size).toBe(rows[0].size);
      expect(statuses.filter((status) => status === 200).length).toBe(later[0].size - 1);
      expect(statuses.every((status) => status === 200 || status === 409)).toBe(true);
    }
  });
});

describe('cancelTaskGroup', () => {
  it('is only for sealed groups', async () => {
    const { taskGroupId, taskIds } = await group(1);
    expect(await refused(test.root.post(at(taskGroupId, 'cancel')), 409)).toContain('seal it first');
    expect(await tasks.state(taskIds[0]!)).toBe('pending');
  });

  it('ends what has not ended, says which, and tells those who wait', async () => {
    const { taskGroupId, taskIds } = await group(5);
    const [done, running, late, waiting, pending] = taskIds as [string, string, string, string, string];
    await tasks.run('completed', done);
    await ok(tasks.claimTask(running));
    await tasks.pastDeadline(late);
    await tasks.alter(waiting, "state = 'unscheduled', run_id = null, reason_created = null, scheduled = null");
    const outside = await tasks.create({ dependencies: [running], requires: 'all-resolved' });
    await seal(taskGroupId);
    const answer = await ok(test.root.post(at(taskGroupId, 'cancel')));
    expect({ ...answer, taskIds: answer.taskIds.sort() }).toEqual({
      taskGroupId,
      taskGroupSize: 5,
      cancelledCount: 3,
      taskIds: [running, waiting, pending].sort(),
    });
    for (const taskId of [running, waiting, pending]) expect((await tasks.status(taskId)).runs.at(-1).reasonResolved).toBe('canceled');
    expect([await tasks.state(done), await tasks.state(late), await tasks.state(outside)]).toEqual(['completed', 'pending', 'pending']);
    expect(await ok(test.root.post(at(taskGroupId, 'cancel')))).toMatchObject({ cancelledCount: 0, taskIds: [] });
  });

  it('tells of each with its tags, as of any other end', async () => {
    const taskGroupId = slugid();
    const create = (colour: string) => tasks.create({ taskGroupId, schedulerId: 'sched', tags: { colour } });
    const colours = { [await create('red')]: 'red', [await create('blue')]: 'blue' };
    await seal(taskGroupId);
    const reader = await EventReader.open(test.root, { taskGroupId, kind: 'task-exception' });
    await ok(test.root.post(at(taskGroupId, 'cancel')));
    const told = await reader.next(2);
    reader.close();
    expect(Object.fromEntries(told.map(({ data }) => [data.status.taskId, data.task.tags.colour]))).toEqual(colours);
  });

  it('ends more tasks than one statement takes', async () => {
    const { taskGroupId, taskIds } = await group(450);
    await seal(taskGroupId);
    const answer = await ok(test.root.post(at(taskGroupId, 'cancel')));
    expect([answer.cancelledCount, answer.taskIds.sort()]).toEqual([450, taskIds]);
  });
});

describe('changeTaskGroupPriority', () => {
  it('changes more tasks than one statement takes, and tells of each, and of the group in parts', async () => {
    const { taskGroupId, taskIds } = await group(450);
    const reader = await EventReader.open(test.root, { taskGroupId, kind: 'task-priority-changed,task-group-priority-changed' });
    const answer = await ok(test.root.post(at(taskGroupId, 'priority'), { newPriority: 'high' }));
    expect([answer.tasksAffected, answer.taskIds.sort()]).toEqual([450, taskIds]);
    const told = await reader.next(453);
    reader.close();
    const ofGroup = told.filter(({ kind }) => kind === 'task-group-priority-changed');
    expect(ofGroup.map(({ data }) => data.tasksAffected)).toEqual([200, 200, 50]);
    expect(new Set(told.map(({ data }) => data.status?.taskId).filter(Boolean))).toEqual(new Set(taskIds));
  });

  it('changes what has not ended and says which', async () => {
    const { taskGroupId, taskIds } = await group(4);
    await tasks.run('failed', taskIds[0]!);
    const path = `/queue/v1/task/${taskIds[1]}/priority`;
    await ok(test.root.post(path, { newPriority: 'very-high' }));
    const answer = await ok(test.root.post(at(taskGroupId, 'priority'), { newPriority: 'very-high' }));
    expect({ ...answer, taskIds: answer.taskIds.sort() }).toEqual({
      taskGroupId,
      schedulerId: 'sched',
      newPriority: 'very-high',
      tasksAffected: 2,
      taskIds: taskIds.slice(2),
    });
    expect(await Promise.all(taskIds.map(async (taskId) => (await tasks.status(taskId)).priority))).toEqual([
      'lowest',
      'very-high',
      'very-high',
      'very-high',
    ]);
    for (const wrong of ['normal', undefined]) await refused(test.root.post(at(taskGroupId, 'priority'), { newPriority: wrong }), 400);
  });
});

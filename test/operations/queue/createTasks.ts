import { slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { PAST, type World } from '../world.js';

const conflict = { code: 'RequestConflict' } as const;
const wrong = { code: 'InputError' } as const;

interface Batch {
  body: { tasks: { taskId: string; task: Record<string, unknown> }[] };
}

/** The last of the batch, changed: refusals must name it. */
const last =
  (change: (world: World) => object | Promise<object>) =>
  async ({ body: { tasks } }: Batch, world: World) => {
    const changes = await change(world);
    return { body: { tasks: tasks.map((one, index) => (index === 2 ? { ...one, task: { ...one.task, ...changes } } : one)) } };
  };

/** Three tasks of one group, the second after the first, the third with all that needs scopes. */
export default operation({
  arrange: (world) => {
    const [first, second, third] = [slugid(), slugid(), slugid()];
    const taskQueueId = world.queueId();
    const common = { taskGroupId: slugid(), taskQueueId, priority: 'very-high' };
    const most = { scopes: ['some:thing', 'x:*'], routes: ['a.b'] };
    const tasks = [
      { taskId: first, task: world.definition(common) },
      { taskId: second, task: world.definition({ ...common, dependencies: [first] }) },
      { taskId: third, task: world.definition({ ...common, ...most }) },
    ];
    return { body: { tasks }, taskQueueId };
  },
  scopes: ({ taskQueueId }) =>
    ['very-high', 'highest'].map((priority) => [
      ...['some:thing', 'x:*', 'queue:route:a.b', 'queue:create-task:project:project', 'queue:scheduler-id:sched'],
      `queue:create-task:${priority}:${taskQueueId}`,
    ]),
  check: async (answer, { body }, { root, tasks }) => {
    const one = async ({ taskId }: { taskId: string }) => ({ taskId, status: await tasks.status(taskId) });
    expect(answer.body).toEqual({ tasks: await Promise.all(body.tasks.map(one)) });
    expect(answer.body.tasks.map(({ status }: { status: { state: string } }) => status.state)).toEqual([
      'pending',
      'unscheduled',
      'pending',
    ]);
    for (const { taskId, task } of body.tasks) expect(await ok(root.get(`/queue/v1/task/${taskId}`))).toMatchObject(task);
  },
  also: {
    'the same again': {
      before: ({ body }, { root }) => ok(root.post('/queue/v1/tasks/create', body)),
      check: ({ body }, call) => expect(body.tasks).toMatchObject(call.body.tasks.map(({ taskId }) => ({ taskId }))),
    },
  },
  refusals: {
    'a signature that is none': {
      call: last(() => ({ signature: 'a.b.c' })),
      code: 'SignatureRefused',
      says: /^tasks\[2\]: signature-malformed: /,
    },
    'no tasks': { call: { body: { tasks: [] } }, code: 'InputValidationError', says: /tasks has 0 elements/ },
    'a task that is none': { call: last(() => ({ retries: 50 })), code: 'InputValidationError', says: /tasks\[2\]\.task\.retries / },
    'one id twice': {
      call: ({ body: { tasks } }) => ({ body: { tasks: [...tasks, ...tasks] } }),
      ...wrong,
      says: /tasks\[3\] has the task id of/,
    },
    'a circle': {
      call: ({ body: { tasks } }) => ({
        body: { tasks: tasks.map(({ taskId, task }, at) => ({ taskId, task: { ...task, dependencies: [tasks[(at + 1) % 3]?.taskId] } })) },
      }),
      ...{ ...wrong, says: /circle.*tasks\[0\] on tasks\[1\] on tasks\[2\] on tasks\[0\]/ },
    },
    'a dependency that does not exist': {
      call: last(() => ({ dependencies: [slugid()] })),
      ...{ ...wrong, says: /tasks\[2\]: 1 dependencies do not exist/ },
    },
    'a deadline before it was created': { call: last(() => ({ deadline: PAST })), ...wrong, says: /tasks\[2\]: .*deadline/ },
    'another definition under the same id': {
      before: ({ body: { tasks } }, world) => ok(world.tasks.put(tasks[2]!.taskId, { ...tasks[2]!.task, payload: {} })),
      ...{ ...conflict, says: /tasks\[2\]: .*exists already with another definition/ },
    },
    'a group of another scheduler': {
      call: last(async (world) => (await world.group(1, { schedulerId: 'other' })).params),
      ...{ ...conflict, says: /tasks\[2\]: .*belongs to schedulerId other/ },
    },
    'a sealed group': {
      call: last(async (world) => {
        const { params } = await world.group();
        await world.sealGroup(params.taskGroupId);
        return params;
      }),
      ...{ ...conflict, says: /tasks\[2\]: .*is sealed/ },
    },
  },
});

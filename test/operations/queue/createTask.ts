import { slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { PAST, soon } from '../world.js';

const conflict = { code: 'RequestConflict' } as const;
const wrong = { code: 'InputError' } as const;

export default operation({
  arrange: (world) => {
    const body = world.definition({ priority: 'very-high', scopes: ['some:thing', 'x:*'], routes: ['a.b'], taskGroupId: slugid() });
    return { params: { taskId: slugid() }, body };
  },
  scopes: ({ body }) =>
    ['very-high', 'highest'].map((priority) => [
      'some:thing',
      'x:*',
      'queue:route:a.b',
      'queue:create-task:project:project',
      'queue:scheduler-id:sched',
      `queue:create-task:${priority}:${body.taskQueueId}`,
    ]),
  check: async (answer, { params, body }, { root, tasks }) => {
    expect(answer.body.status).toMatchObject({ taskId: params.taskId, state: 'pending', priority: 'very-high', schedulerId: 'sched' });
    expect(answer.body).toEqual({ status: await tasks.status(params.taskId) });
    expect(await ok(root.get(`/queue/v1/task/${params.taskId}`))).toMatchObject(body);
  },
  also: {
    'the same again': {
      before: ({ params, body }, { tasks }) => ok(tasks.put(params.taskId, body)),
      check: async ({ body }, { params }, { tasks }) => expect(body.status).toEqual(await tasks.status(params.taskId)),
    },
    'waiting for another': {
      call: async (_, world) => ({ body: { dependencies: [(await world.task()).params.taskId] } }),
      check: ({ body }) => expect(body.status).toMatchObject({ state: 'unscheduled', runs: [] }),
    },
  },
  refusals: {
    'another definition under the same id': {
      before: ({ params, body }, { tasks }) => ok(tasks.put(params.taskId, { ...body, payload: {} })),
      ...{ ...conflict, says: /exists already with another definition/ },
    },
    'a group of another scheduler': {
      call: async (_, world) => ({ body: { ...(await world.group(1, { schedulerId: 'other' })).params } }),
      ...{ ...conflict, says: /belongs to schedulerId other, not sched/ },
    },
    'a sealed group': {
      before: async ({ body }, world) => {
        await world.tasks.create({ taskGroupId: body.taskGroupId, schedulerId: 'sched' });
        await world.sealGroup(String(body.taskGroupId));
      },
      ...{ ...conflict, says: /is sealed/ },
    },
    'a signature that is none': {
      call: { body: { signature: 'a.b.c' } },
      ...{ code: 'SignatureRefused', says: /^signature-malformed: / },
    },
    'scopes in two stars': { call: { body: { scopes: ['a**'] } }, ...wrong, says: /a\*\* ends in \*\*/ },
    'a dependency that does not exist': { call: { body: { dependencies: [slugid()] } }, ...wrong, says: /1 dependencies do not exist/ },
    'a dependency that expires too early': {
      call: async (_, world) => {
        const deadline = soon(60_000);
        return { body: { dependencies: [(await world.task({ deadline, expires: deadline })).params.taskId] } };
      },
      ...{ ...wrong, says: /expire before the deadline/ },
    },
    'created long ago': { call: { body: { created: PAST } }, ...wrong, says: /created/ },
    'a deadline before it was created': { call: { body: { deadline: PAST } }, ...wrong, says: /deadline/ },
    'a deadline too far ahead': { call: { body: { deadline: soon(6 * 86_400_000) } }, ...wrong, says: /deadline/ },
    'an expiry before the deadline': { call: { body: { expires: PAST } }, ...wrong, says: /expires/ },
    'no task queue': { call: { body: { taskQueueId: undefined } }, ...wrong, says: /taskQueueId/ },
    'two task queues': { call: { body: { provisionerId: 'a', workerType: 'b' } }, ...wrong, says: /taskQueueId/ },
  },
});

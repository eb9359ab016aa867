import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { soon, workerPath } from '../world.js';

const ids = ({ workers }: { workers: { workerId: string }[] }) => workers.map(({ workerId }) => workerId);

/** Worker b is in quarantine. */
export default operation({
  arrange: async (world) => {
    const taskQueueId = `${world.name('prov')}/many`;
    for (const workerId of ['a', 'b', 'c']) await ok(world.tasks.claimWork(taskQueueId, 1, { workerGroup: 'group', workerId }));
    const [provisionerId = '', workerType = ''] = taskQueueId.split('/');
    const params = { provisionerId, workerType };
    await ok(world.root.put(workerPath({ ...params, workerGroup: 'group', workerId: 'b' }), { quarantineUntil: soon() }));
    return { params };
  },
  scopes: ({ params }) => [[`queue:list-workers:${params.provisionerId}/${params.workerType}`]],
  check: ({ body }) => {
    const one = (workerId: string) => ({
      ...{ workerGroup: 'group', workerId, firstClaim: expect.any(String), lastDateActive: expect.any(String) },
      ...(workerId === 'b' ? { quarantineUntil: expect.any(String) } : {}),
    });
    expect(body).toEqual({ workers: ['a', 'b', 'c'].map(one) });
  },
  pages: { list: ({ workers }) => workers },
  also: {
    'those in quarantine': { call: { query: { quarantined: 'true' } }, check: ({ body }) => expect(ids(body)).toEqual(['b']) },
    'the others': { call: { query: { quarantined: 'false' } }, check: ({ body }) => expect(ids(body)).toEqual(['a', 'c']) },
    'a queue that nobody knows has none': {
      call: { params: { workerType: 'never-seen' } },
      check: ({ body }) => expect(body).toEqual({ workers: [] }),
    },
  },
});

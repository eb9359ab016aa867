import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const provisionerId = world.name('prov');
    for (const type of ['a', 'b', 'c']) await world.worker(`${provisionerId}/${type}`);
    return { params: { provisionerId } };
  },
  scopes: ({ params }) => [[`queue:list-worker-types:${params.provisionerId}`]],
  check: ({ body }, { params }) => {
    const about = { stability: 'experimental', description: '', expires: expect.any(String), lastDateActive: expect.any(String) };
    expect(body).toEqual({ workerTypes: ['a', 'b', 'c'].map((workerType) => ({ ...params, workerType, ...about })) });
  },
  pages: { list: ({ workerTypes }) => workerTypes },
  also: {
    'a provisioner that nobody knows has none': {
      call: { params: { provisionerId: 'never-seen' } },
      check: ({ body }) => expect(body).toEqual({ workerTypes: [] }),
    },
  },
});

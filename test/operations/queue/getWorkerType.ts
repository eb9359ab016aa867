import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const { provisionerId, workerType } = (await world.worker()).params;
    return { params: { provisionerId, workerType } };
  },
  scopes: ({ params }) => [[`queue:get-worker-type:${params.provisionerId}/${params.workerType}`]],
  check: ({ body }, { params }) => {
    const about = { stability: 'experimental', description: '', expires: expect.any(String), lastDateActive: expect.any(String) };
    expect(body).toEqual({ ...params, ...about });
  },
  unknown: () => ({ workerType: 'never-seen' }),
});

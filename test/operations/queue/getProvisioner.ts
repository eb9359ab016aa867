import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: { provisionerId: (await world.worker()).params.provisionerId } }),
  scopes: ({ params }) => [[`queue:get-provisioner:${params.provisionerId}`]],
  check: ({ body }, { params }) => {
    const about = { stability: 'experimental', description: '', expires: expect.any(String), lastDateActive: expect.any(String) };
    expect(body).toEqual({ ...params, ...about });
  },
  unknown: () => ({ provisionerId: 'never-seen' }),
});

import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ params: {}, provisionerId: (await world.worker()).params.provisionerId }),
  scopes: () => [['queue:list-provisioners']],
  check: ({ body }, { provisionerId }) => {
    const about = { stability: 'experimental', description: '', expires: expect.any(String), lastDateActive: expect.any(String) };
    expect(body.provisioners).toContainEqual({ provisionerId, ...about });
  },
  pages: {
    arrange: async (world) => ({
      params: {},
      provisionerId: (await Promise.all([1, 2, 3].map(() => world.worker())))[0]!.params.provisionerId,
    }),
    list: ({ provisioners }) => provisioners.map((one: { provisionerId: string }) => one.provisionerId),
  },
});

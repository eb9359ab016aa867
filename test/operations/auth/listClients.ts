import { describedClient } from '../identities.js';
import { operation } from '../operation.js';

const ids = ({ clients }: { clients: { clientId: string }[] }) => clients.map(({ clientId }) => clientId);

export default operation({
  arrange: async (world) => {
    const prefix = world.name('ops/list');
    const clientIds = ['a', 'b', 'c'].map((name) => `${prefix}/${name}`);
    for (const clientId of clientIds) await world.clientId(['a:*'], clientId);
    return { query: { prefix: `${prefix}/` }, clientIds };
  },
  scopes: () => [['auth:list-clients']],
  check: ({ body }, { clientIds }) => {
    const one = (clientId: string) => ({ ...describedClient, clientId, scopes: ['a:*'], expandedScopes: ['a:*'] });
    expect(body).toEqual({ clients: clientIds.map(one) });
  },
  pages: { list: ids },
  also: {
    'all of them': {
      call: ({ clientIds }) => ({ query: { prefix: 's' }, clientIds }),
      check: ({ body }) => expect(ids(body)).toEqual(['static/leasehold/queue', 'static/root']),
    },
    'a prefix of none': { call: { query: { prefix: 'none' } }, check: ({ body }) => expect(body).toEqual({ clients: [] }) },
  },
});

import { ok, WORKER } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { soon, workerPath, workerScope } from '../world.js';

export default operation({
  arrange: (world) => {
    const params = { provisionerId: world.name('prov'), workerType: 'type', ...WORKER };
    return { params, body: { expires: soon(5 * 86_400_000) } };
  },
  scopes: ({ params }) => [[`queue:declare-worker:${workerScope(params)}#expires`]],
  check: async (answer, { params, body }, { root }) => {
    expect(answer.body).toMatchObject({ ...params, expires: body.expires, recentTasks: [], quarantineDetails: [] });
    expect(await ok(root.get(workerPath(params)))).toEqual(answer.body);
    expect(await ok(root.get(`/queue/v1/task-queues/${params.provisionerId}%2Ftype`))).toMatchObject({ expires: body.expires });
  },
  also: {
    'without an expiry: for a day': {
      call: async ({ params }, { test }) => {
        const { credentials } = await test.client(`queue:declare-worker:${workerScope(params)}#expires`);
        return { body: { expires: undefined }, as: credentials! };
      },
      check: ({ body }) => expect(Math.abs(Date.parse(body.expires) - Date.now() - 86_400_000)).toBeLessThan(60_000),
    },
  },
  refusals: {
    'without an expiry, and without the scope': {
      call: { body: { expires: undefined }, as: null },
      code: 'InsufficientScopes',
      says: /#expires/,
    },
    'no time': { call: { body: { expires: 'soon' } }, code: 'InputValidationError', says: /expires must be an RFC 3339/ },
  },
});

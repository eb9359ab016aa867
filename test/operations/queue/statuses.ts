import { slugid } from '../../support/api.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ body: { taskIds: (await world.group(3)).taskIds } }),
  scopes: (call) => [call.body.taskIds.map((taskId) => `queue:status:${taskId}`)],
  check: async (answer, call, { tasks }) => {
    const one = async (taskId: string) => ({ taskId, status: await tasks.status(taskId) });
    expect(answer.body).toEqual({ statuses: await Promise.all(call.body.taskIds.map(one)) });
  },
  pages: { list: (body) => body.statuses },
  also: {
    'those that do not exist are left out': {
      call: ({ body }) => ({ body: { taskIds: [slugid(), ...body.taskIds.slice(1)] } }),
      check: ({ body }) => expect(body.statuses).toHaveLength(2),
    },
    'none, for anybody': { call: { body: { taskIds: [] }, as: null }, check: ({ body }) => expect(body).toEqual({ statuses: [] }) },
    'none is what an absent list means': {
      call: { body: { taskIds: undefined }, as: null },
      check: ({ body }) => expect(body).toEqual({ statuses: [] }),
    },
  },
  refusals: {
    'what is no task id': { call: { body: { taskIds: ['x'] } }, code: 'InputValidationError', says: /taskIds must be a slugid/ },
    'what is no text': { call: { body: { taskIds: [1] } }, code: 'InputValidationError', says: /taskIds must be a/ },
  },
});

import { slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => ({ body: { taskIds: (await world.group(3)).taskIds } }),
  scopes: (call) => [call.body.taskIds.map((taskId) => `queue:get-task:${taskId}`)],
  check: async (answer, call, { root }) => {
    const one = async (taskId: string) => ({ taskId, task: await ok(root.get(`/queue/v1/task/${taskId}`)) });
    expect(answer.body).toEqual({ tasks: await Promise.all(call.body.taskIds.map(one)) });
  },
  pages: { list: (body) => body.tasks },
  also: {
    'those that do not exist are left out': {
      call: ({ body }) => ({ body: { taskIds: [slugid(), ...body.taskIds.slice(1)] } }),
      check: ({ body }) => expect(body.tasks).toHaveLength(2),
    },
    'none, for anybody': { call: { body: { taskIds: [] }, as: null }, check: ({ body }) => expect(body).toEqual({ tasks: [] }) },
    'none is what an absent list means': {
      call: { body: { taskIds: undefined }, as: null },
      check: ({ body }) => expect(body).toEqual({ tasks: [] }),
    },
  },
  refusals: {
    'what is no task id': { call: { body: { taskIds: ['x'] } }, code: 'InputValidationError', says: /taskIds must be a slugid/ },
    'what is no text': { call: { body: { taskIds: [1] } }, code: 'InputValidationError', says: /taskIds must be a/ },
  },
});

import { slugid } from '../../support/api.js';
import { Creator } from '../../support/creator.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { AUDIENCE } from '../world.js';

export default operation({
  arrange: async (world) => {
    const { taskId, body, jws } = await new Creator(AUDIENCE).signed({ taskQueueId: world.queueId() });
    await ok(world.tasks.put(taskId, { ...body, signature: jws }));
    return { params: { taskId }, jws };
  },
  scopes: ({ params }) => [[`queue:get-task:${params.taskId}`]],
  check: ({ body }, { jws }) => expect(body).toEqual({ signature: jws }),
  unknown: () => ({ taskId: slugid() }),
  refusals: {
    'it was created without one': {
      call: async (_, world) => ({ params: (await world.task()).params }),
      ...{ code: 'ResourceNotFound', says: /was created without a signature/ },
    },
  },
});

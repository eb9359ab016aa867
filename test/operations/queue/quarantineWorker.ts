import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { PAST, soon, workerPath, workerScope } from '../world.js';

export default operation({
  arrange: async (world) => ({ ...(await world.worker()), body: { quarantineUntil: soon(), quarantineInfo: 'smoke' } }),
  scopes: ({ params }) => [[`queue:quarantine-worker:${workerScope(params)}`]],
  check: async (answer, { params, body }, { root, tasks }) => {
    const event = { ...body, clientId: expect.stringContaining('test/client-'), updatedAt: expect.any(String) };
    expect(answer.body).toMatchObject({ ...params, quarantineUntil: body.quarantineUntil, quarantineDetails: [event] });
    expect(await ok(root.get(workerPath(params)))).toEqual(answer.body);
    const { provisionerId, workerType, ...worker } = params;
    const taskQueueId = `${provisionerId}/${workerType}`;
    await tasks.create({ taskQueueId });
    expect(await ok(tasks.claimWork(taskQueueId, 1, worker))).toEqual({ tasks: [] });
  },
  unknown: () => ({ workerId: 'never-seen' }),
  also: {
    'a time in the past ends it, and what was is remembered': {
      before: ({ params, body }, { root }) => ok(root.put(workerPath(params), body)),
      call: { body: { quarantineUntil: PAST, quarantineInfo: undefined } },
      check: ({ body }) => {
        expect(body.quarantineUntil).toBe(PAST);
        expect(body.quarantineDetails).toMatchObject([{ quarantineInfo: 'smoke' }, { clientId: 'static/root', quarantineUntil: PAST }]);
      },
    },
  },
  refusals: {
    'ten thousand others': {
      before: (_, { test }) =>
        test.database.pool.query(
          `insert into worker (task_queue_id, worker_group, worker_id, expires, quarantine_until)
           select 'ops/many', 'group', 'w' || nth, now(), now() + interval '1 day' from generate_series(1, 10000) as nth`,
        ),
      code: 'RequestConflict',
      says: /10000 workers are quarantined already; end/,
      after: ({ test }) => test.database.pool.query(`delete from worker where task_queue_id = 'ops/many'`),
    },
    'no time': { call: { body: { quarantineUntil: 'later' } }, code: 'InputValidationError', says: /quarantineUntil must be an RFC 3339/ },
    'a long story': { call: { body: { quarantineInfo: 'x'.repeat(4001) } }, code: 'InputValidationError', says: /quarantineInfo/ },
  },
});

import { keySetOf } from '../../support/key-sets.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { PAST, policyPath } from '../world.js';

const secondsOf = (time: string) => Date.parse(time) / 1000;

export default operation({
  arrange: (world) => ({ params: { taskQueueId: world.queueId() }, body: { policy: 'require', keySet: keySetOf(5, { kid: 'creator' }) } }),
  scopes: ({ params }) => [[`queue:set-signature-policy:${params.taskQueueId}`]],
  check: async (answer, { params, body }, { root }) => {
    expect(answer.body).toMatchObject({ ...params, ...body, updatedBy: expect.stringContaining('test/client-') });
    expect(await ok(root.get(policyPath(params.taskQueueId)))).toEqual(answer.body);
  },
  also: {
    'the same again, whatever the order of its members': {
      before: ({ params, body }, { root }) => ok(root.put(policyPath(params.taskQueueId), body)),
      call: ({ body: { keySet } }) => ({ body: { keySet: { keys: keySet.keys, version: keySet.version } } }),
      check: ({ body }, call) => expect(body).toMatchObject({ policy: 'require', keySet: call.body.keySet }),
    },
    'another policy; the key set stays': {
      before: ({ params, body }, { root }) => ok(root.put(policyPath(params.taskQueueId), body)),
      call: { body: { policy: 'off', keySet: undefined } as object },
      check: ({ body }) => expect(body).toMatchObject({ policy: 'off', keySet: { version: 5 } }),
    },
    'a newer key set': {
      before: ({ params, body }, { root }) => ok(root.put(policyPath(params.taskQueueId), body)),
      call: { body: { keySet: keySetOf(6, { kid: 'another' }) } },
      check: ({ body }) => expect(body.keySet).toMatchObject({ version: 6, keys: [{ kid: 'another' }] }),
    },
    'warn without keys, to see what is not signed': {
      call: { body: { policy: 'warn', keySet: undefined } as object },
      check: ({ body }) => expect([body.policy, 'keySet' in body, 'keySetDigest' in body]).toEqual(['warn', false, false]),
    },
    'off, as it is': {
      call: { body: { policy: 'off', keySet: undefined } as object },
      check: ({ body }) => expect([body.policy, 'updated' in body]).toEqual(['off', false]),
    },
  },
  refusals: {
    'require without keys': {
      call: { body: { keySet: undefined } as object },
      ...{ code: 'InputError', says: /require needs a key set, or no task could be created; send keySet/ },
    },
    'a key set that has expired': {
      call: ({ body: { keySet } }) => ({ body: { keySet: { ...keySet, expires: secondsOf(PAST) } } }),
      ...{ code: 'InputError', says: /The key set expired at 2020-01-01T00:00:00.000Z, so nobody would be believed; send/ },
    },
    'keys that are none, each by its name': {
      call: ({ body: { keySet } }) => ({
        body: {
          keySet: { version: 6, keys: [...keySet.keys, { kid: 'secret', kty: 'oct', k: 'hunter2' }, { kid: 'half', alg: 'EdDSA' }] },
        },
      }),
      ...{
        code: 'InputError',
        says: /^(?!.*hunter2)keySet: The key set is refused: key secret is symmetric[^;]*; key half is no key: [^;]*$/,
      },
    },
    'a key set without version': {
      call: ({ body: { keySet } }) => ({ body: { keySet: { keys: keySet.keys } } }),
      ...{ code: 'InputError', says: /version must be an integer from 1/ },
    },
    'more than 256 KiB': {
      call: { body: { keySet: { ...keySetOf(6, {}), keys: ['x'.repeat(262_144)] } } },
      ...{ code: 'InputError', says: /keySet has \d+ bytes; it may have 262144/ },
    },
    'an older key set': {
      before: ({ params, body }, { root }) => ok(root.put(policyPath(params.taskQueueId), body)),
      call: { body: { keySet: keySetOf(4, {}) } },
      ...{ code: 'RequestConflict', says: /has version 5 of its key set, with digest [0-9a-f]{64}; version 4 cannot take its place/ },
    },
    'another key set of that version': {
      before: ({ params, body }, { root }) => ok(root.put(policyPath(params.taskQueueId), body)),
      call: { body: { policy: 'off', keySet: keySetOf(5, {}) } },
      ...{ code: 'RequestConflict', says: /another key set of that version cannot take its place/ },
    },
    'ten thousand others': {
      before: (_, { test }) =>
        test.database.pool.query(
          `insert into signature_policy (task_queue_id, policy, revision) select 'many/q' || nth, 'warn', 0 from generate_series(1, 10000) as nth`,
        ),
      ...{ code: 'RequestConflict', says: /10000 task queues have a signature policy already/ },
      after: ({ test }) => test.database.pool.query(`delete from signature_policy where task_queue_id like 'many/%'`),
    },
  },
});

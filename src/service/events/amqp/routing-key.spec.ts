import fc from 'fast-check';
import type { TaskRun } from '../../queue/task.dto.js';
import type { EventMessage } from '../event-message.js';
import { ccOf, exchangeOf, routingKeyOf } from './routing-key.js';

const TASK: EventMessage = {
  kind: 'task-running',
  taskId: 'fN1SbArXTPSVFNUvaOlinQ',
  taskQueueId: 'prov/wt',
  taskGroupId: 'dSlITZ4yQgmvxxAi4A8fHQ',
  schedulerId: 'sched',
  routes: [],
  payload: {},
};
const RUN: TaskRun = { runId: 0, state: 'pending', reasonCreated: 'scheduled', scheduled: '2026-01-01T00:00:00.000Z' };
const WORKER = { workerGroup: 'wg', workerId: 'w-1' };
const END = 'prov.wt.sched.dSlITZ4yQgmvxxAi4A8fHQ._';

it.each([
  ['no run', TASK, `primary.fN1SbArXTPSVFNUvaOlinQ._._._.${END}`],
  ['a run without a worker', { ...TASK, run: RUN }, `primary.fN1SbArXTPSVFNUvaOlinQ.0._._.${END}`],
  ['a run of a worker', { ...TASK, run: { ...RUN, ...WORKER, runId: 12 } }, `primary.fN1SbArXTPSVFNUvaOlinQ.12.wg.w-1.${END}`],
  [
    'a group',
    { kind: 'task-group-resolved', taskGroupId: TASK.taskGroupId, schedulerId: '-', routes: [], payload: {} },
    'primary.dSlITZ4yQgmvxxAi4A8fHQ.-._',
  ],
] as [string, EventMessage, string][])('the key of %s', (_what, message, key) => {
  expect(routingKeyOf(message)).toBe(key);
});

it('fits into an AMQP short string, and has as many words, whatever the names are', () => {
  const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,38}$/);
  const workerType = fc.stringMatching(/^[a-z][-a-z0-9]{0,36}[a-z0-9]$/);
  fc.assert(
    fc.property(name, workerType, name, name, name, fc.nat(1000), (provisionerId, type, schedulerId, workerGroup, workerId, runId) => {
      const taskQueueId = `${provisionerId}/${type}`;
      const key = routingKeyOf({ ...TASK, taskQueueId, schedulerId, run: { ...RUN, workerGroup, workerId, runId } });
      expect(Buffer.byteLength(key)).toBeLessThanOrEqual(255);
      expect(key.split('.')).toEqual(
        ['primary', TASK.taskId, runId, workerGroup, workerId, provisionerId, type, schedulerId, TASK.taskGroupId, '_'].map(String),
      );
    }),
  );
  const longest = 'x'.repeat(38);
  const run = { ...RUN, runId: 1000, workerGroup: longest, workerId: longest };
  expect(routingKeyOf({ ...TASK, taskQueueId: `${longest}/${longest}`, schedulerId: longest, run })).toHaveLength(255);
});

it('a route cannot pass for a primary key', () => {
  expect(ccOf({ ...TASK, routes: ['primary.x', 'index.a.b', '#'] })).toEqual(['route.primary.x', 'route.index.a.b', 'route.#']);
  expect(ccOf(TASK)).toEqual([]);
});

it('each kind has an exchange of its own', () => {
  expect(exchangeOf('task-group-priority-changed')).toBe('exchange/taskcluster-queue/v1/task-group-priority-changed');
});

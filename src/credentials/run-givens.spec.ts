import fc from 'fast-check';
import { runGivens } from './run-givens.js';
import { isWorkerIdentity, runScopes } from './run-grant.js';

const RUN = { taskId: 'dSlITZ4yQgmvxxAi4A8fHQ', runId: 0, workerGroup: 'wg', workerId: 'wid' };
const ROLE = `assume:task-run:${RUN.taskId}/0`;

const scope = fc.oneof(
  fc.stringMatching(/^[!#-[\]-~]{1,20}$/),
  fc.constantFrom(...['assume', 'queue'].flatMap((name) => ['wg/wid', 'wg/*', '*', 'wg/other'].map((end) => `${name}:worker-id:${end}`))),
  fc.constantFrom(ROLE, `queue:resolve-task:${RUN.taskId}/0`),
);

it('tells what became of scopes that name the worker, and repeats nothing', () => {
  const taskScopes = ['a', 'queue:worker-id:wg/*', 'a', ROLE];
  expect(runGivens({ ...RUN, taskScopes })).toEqual([
    { scope: ROLE, by: 'run' },
    ...['reclaim-task', 'resolve-task', 'create-artifact'].map((name) => ({ scope: `queue:${name}:${RUN.taskId}/0`, by: 'run' })),
    { scope: 'a', by: 'task.scopes' },
    { scope: ROLE, by: 'rewrite', from: 'queue:worker-id:wg/*' },
  ]);
});

it('is what the run holds, no more and no less', () => {
  fc.assert(
    fc.property(fc.array(scope, { maxLength: 20 }), (taskScopes) => {
      const givens = runGivens({ ...RUN, taskScopes });
      expect([...new Set(givens.map((given) => given.scope))]).toEqual(runScopes({ ...RUN, taskScopes }));
      for (const { by, from } of givens) expect(by === 'rewrite').toBe(from !== undefined && isWorkerIdentity(from, RUN));
      expect(new Set(taskScopes)).toEqual(
        new Set([...taskScopes.filter((one) => givens.some((given) => (given.from ?? given.scope) === one))]),
      );
    }),
  );
});

import { type Credentials, slugid } from '../support/api.js';
import { ok } from '../support/tasks.js';
import type { Call, Refusal } from './operation.js';
import type { World } from './world.js';

const conflict = { code: 'RequestConflict' } as const;
interface OfRun extends Call {
  params: { taskId: string; runId: string };
  /** What the run was lent. */
  credentials: Credentials;
}

/** Runs that nobody holds, and which therefore can be neither reclaimed nor resolved. */
export const lostRuns: Record<string, Refusal<OfRun>> = {
  'a run that is none': { call: { params: { runId: '1' } }, code: 'ResourceNotFound', says: /Run 1 of task .* does not exist/ },
  'a run beyond all runs': { call: { params: { runId: '1001' } }, code: 'ResourceNotFound', says: /from 0 to 1000/ },
  'nobody has claimed it': {
    call: async (_, world) => ({ params: (await world.task()).params }),
    ...{ ...conflict, says: /it is pending; claim it first/ },
  },
  'its lease lapsed': {
    before: ({ params }, { tasks }) => tasks.lapse(params.taskId),
    ...conflict,
    says: /its lease lapsed .*claim-expired/,
  },
  'it was cancelled': { before: ({ params }, { tasks }) => ok(tasks.steer('cancel', params.taskId)), ...conflict, says: /canceled/ },
  'the task has gone on to another run': {
    before: ({ params }, { tasks }) => ok(tasks.report('worker-shutdown', params.taskId)),
    ...{ ...conflict, says: /worker-shutdown.*, and the task has gone on to run 1/ },
  },
};

const STATE: Record<string, string> = { completed: 'completed', failed: 'failed' };

/** What the three reports have in common. `outcome` is the state, or the reason of an exception; `other`, another one. */
export function reporting(outcome: string, other: string) {
  const state = STATE[outcome] ?? 'exception';
  const ended = { state, runs: [{ runId: 0, state, reasonResolved: outcome, resolved: expect.any(String) }] };
  const endedSo = async ({ body }: { body: { status: object } }, { params }: OfRun, { tasks }: World) => {
    expect(body.status).toMatchObject(ended);
    expect(body).toEqual({ status: await tasks.status(params.taskId) });
  };
  return {
    arrange: (world: World) => world.run(),
    scopes: ({ params }: OfRun) => [[`queue:resolve-task:${params.taskId}/0`]],
    check: endedSo,
    unknown: () => ({ taskId: slugid() }),
    also: {
      'by the run, with what it was lent, and past its deadline': {
        before: ({ params }: OfRun, { tasks }: World) => tasks.pastDeadline(params.taskId),
        call: ({ credentials }: OfRun) => ({ as: credentials }),
        check: endedSo,
      },
      'the same again': {
        before: ({ params }: OfRun, { tasks }: World) => ok(tasks.report(outcome, params.taskId)),
        check: endedSo,
      },
    },
    refusals: {
      ...lostRuns,
      'another outcome was reported': {
        before: ({ params }: OfRun, { tasks }: World) => ok(tasks.report(other, params.taskId)),
        ...{ ...conflict, says: new RegExp(`cannot be resolved: it is .*${other}`) },
      },
      'another run': {
        call: async (_: OfRun, world: World) => ({ as: (await world.run()).credentials }),
        code: 'InsufficientScopes' as const,
        says: /queue:resolve-task/,
      },
    },
  };
}

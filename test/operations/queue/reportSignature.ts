import { slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { lostRuns } from '../runs.js';

const VERIFIED = { verdict: 'verified', kid: 'creator', payloadDigest: '0'.repeat(64), thumbprint: 'x'.repeat(43) };
const pathOf = ({ taskId, runId }: Record<string, string>) => `/queue/v1/task/${taskId}/runs/${runId}/signature`;
const wrong = { code: 'InputError' } as const;

export default operation({
  arrange: async (world) => ({ ...(await world.run()), body: VERIFIED as object }),
  scopes: ({ params }) => [[`queue:resolve-task:${params.taskId}/0`]],
  check: async ({ body }, { params }, { tasks }) => {
    expect(body.status).toMatchObject({ state: 'running', runs: [{ runId: 0, state: 'running', signature: VERIFIED }] });
    expect(body).toEqual({ status: await tasks.status(params.taskId) });
  },
  unknown: () => ({ taskId: slugid() }),
  also: {
    'by the run, with what it was lent, and past its deadline': {
      before: ({ params }, { tasks }) => tasks.pastDeadline(params.taskId),
      call: ({ credentials }) => ({ as: credentials }),
      check: ({ body }) => expect(body.status.runs[0].signature).toEqual(VERIFIED),
    },
    'the same again': {
      before: ({ params }, { root }) => ok(root.post(pathOf(params), VERIFIED)),
      check: ({ body }) => expect(body.status.runs[0].signature).toEqual(VERIFIED),
    },
  },
  refusals: {
    ...lostRuns,
    'it was reported otherwise': {
      before: ({ params }, { root }) => ok(root.post(pathOf(params), { verdict: 'unchecked' })),
      ...{ code: 'RequestConflict', says: /reported otherwise before/ },
    },
    'another run': {
      call: async (_, world) => ({ as: (await world.run()).credentials }),
      ...{ code: 'InsufficientScopes', says: /queue:resolve-task/ },
    },
    'verified by nobody': { call: { body: { kid: undefined } }, ...wrong, says: /send kid and payloadDigest/ },
    'verified, with a code': { call: { body: { code: 'signature-missing' } }, ...wrong, says: /leave it out/ },
    'failed for no reason': { call: { body: { verdict: 'failed' } }, ...wrong, says: /needs a code/ },
  },
});

import { Sealer } from '../../../src/service/audit/sealer.js';
import { EVENT_HORIZON } from '../../../src/service/postgres/outbox.js';
import { slugid } from '../../support/api.js';
import { ok, untilDone, WORKER } from '../../support/tasks.js';
import { operation } from '../operation.js';
import { soon, type World } from '../world.js';

/** Anybody's open transaction (say, autovacuum's) holds back what may be sealed. */
async function sealed({ test }: World): Promise<void> {
  const above = `select exists (select from audit_entry where tx >= ${EVENT_HORIZON}) as above`;
  await untilDone(async () => ((await test.database.pool.query(above)).rows[0].above ? 'more' : 'done'));
  await test.service.app.get(Sealer).seal();
}

const entry = { seq: expect.any(Number), at: expect.any(String), hash: expect.stringMatching(/^[0-9a-f]{64}$/) };
const told = ({ entries }: { entries: { kind: string }[] }) => entries.map(({ kind }) => kind);

export default operation({
  arrange: async (world) => {
    const { params } = await world.run();
    for (let times = 0; times < 2; times++) await ok(world.root.post(`/queue/v1/task/${params.taskId}/runs/0/reclaim`));
    await sealed(world);
    return { query: { taskId: params.taskId } };
  },
  scopes: () => [['auth:read-audit']],
  check: ({ body }, { query }) => {
    const one = { ...entry, actor: 'static/root', taskId: query.taskId, runId: 0 };
    const renewed = { ...one, kind: 'credentials-renewed', detail: { takenUntil: expect.any(String) } };
    const lent = {
      ...one,
      kind: 'credentials-lent',
      detail: { ...WORKER, takenUntil: expect.any(String), creator: 'static/root', scopes: [] },
    };
    expect(body).toEqual({ entries: [lent, renewed, renewed] });
  },
  pages: { list: ({ entries }) => entries },
  also: {
    'by kind': {
      call: { query: { kind: 'credentials-renewed' } },
      check: ({ body }) => expect(told(body)).toEqual(['credentials-renewed', 'credentials-renewed']),
    },
    'by kind alone': {
      call: { query: { taskId: undefined, kind: 'credentials-lent' } },
      check: ({ body }) => expect(new Set(told(body))).toEqual(new Set(['credentials-lent'])),
    },
    'by actor': {
      before: async (_, world) => {
        await ok((await world.test.client('*')).put('/auth/v1/roles/audited', { scopes: [], description: '' }));
        await sealed(world);
      },
      call: async (_, world) => {
        const { body } = await world.root.get('/auth/v1/audit?kind=role-created');
        return { query: { taskId: undefined, actor: body.entries.at(-1).actor } };
      },
      check: ({ body }) => expect(told(body)).toEqual(['role-created']),
    },
    'since now there is none': {
      call: () => ({ query: { since: soon(0) } }),
      check: ({ body }) => expect(body).toEqual({ entries: [] }),
    },
    'since an hour ago there are all': {
      call: () => ({ query: { since: soon(-3_600_000) } }),
      check: ({ body }) => expect(told(body)).toHaveLength(3),
    },
    'of a task that nobody knows there is none': {
      call: { query: { taskId: slugid() } },
      check: ({ body }) => expect(body).toEqual({ entries: [] }),
    },
  },
});

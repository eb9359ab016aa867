import { slugid } from '../../support/api.js';
import { multiplyNoMore, multiplyRoles } from '../identities.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world, alternative = 0) => {
    const roleId = await world.roleId(['by:role']);
    const scopes = [`assume:${roleId}`];
    if (alternative === 1) {
      const { params } = await world.run({ scopes });
      return { query: { scope: 'by:role', ...params }, roleId, entitled: `auth:explain-run:${params.taskId}/0`, by: 'task.scopes' };
    }
    const clientId = await world.clientId(scopes);
    return { query: { scope: 'by:role', clientId }, roleId, entitled: `auth:explain-client:${clientId}`, by: 'client' };
  },
  scopes: ({ entitled }) => (entitled.startsWith('auth:explain-client:') ? [[entitled], []] : [[], [entitled]]),
  check: ({ body }, { query, roleId, by }) => {
    expect(body).toEqual({
      ...('clientId' in query
        ? { clientId: query.clientId }
        : { run: expect.objectContaining({ state: 'running', standing: 'everything' }) }),
      scope: 'by:role',
      has: true,
      because: `by:role satisfies it, which is held by way of the role '${roleId}'`,
      derivation: [
        { scope: `assume:${roleId}`, by },
        { scope: 'by:role', by: 'role', roleId, template: 'by:role', parameter: '' },
      ],
    });
  },
  also: {
    'about the caller itself': {
      call: { query: { clientId: undefined } },
      check: ({ body }) => expect(body).toMatchObject({ clientId: 'static/root', has: true, derivation: [{ scope: '*', by: 'client' }] }),
    },
    'without a scope, of a run': {
      call: async (_, world) => ({ query: { scope: undefined, clientId: undefined, ...(await world.run({ scopes: ['a:b'] })).params } }),
      check: ({ body }) => {
        expect(body.given).toContainEqual({ scope: 'a:b', by: 'task.scopes', used: false });
        expect(body.unused).toEqual(['a:b']);
      },
    },
  },
  refusals: {
    'a client that does not exist': {
      call: { query: { clientId: 'nobody' } },
      code: 'ResourceNotFound',
      says: /Client nobody does not exist/,
    },
    'a run that does not exist': {
      call: { query: { clientId: undefined, taskId: slugid(), runId: '0' } },
      code: 'ResourceNotFound',
      says: /Run 0 of task .* does not exist/,
    },
    'a run beyond 1000': {
      call: { query: { clientId: undefined, taskId: slugid(), runId: '99999999999999999999' } },
      code: 'ResourceNotFound',
      says: /does not exist/,
    },
    'a client and a run': {
      call: { query: { taskId: slugid(), runId: '0' } },
      code: 'InvalidRequestArguments',
      says: /clientId cannot be given with taskId/,
    },
    'a task without a run': {
      call: { query: { clientId: undefined, taskId: slugid() } },
      code: 'InvalidRequestArguments',
      says: /must be given together/,
    },
    'no scope, of a client': { call: { query: { scope: undefined } }, code: 'InvalidRequestArguments', says: /scope must be given/ },
    'roles that multiply': {
      before: async (_, world) => {
        await world.clientId(['assume:many0:x'], 'ops/many');
        await multiplyRoles(world);
      },
      call: { query: { clientId: 'ops/many', scope: 'nothing' } },
      code: 'InputError',
      says: /let that role grant less/,
      after: multiplyNoMore,
    },
  },
});

import { type Answer, type Credentials, slugid } from '../../support/api.js';
import { ok, WORKER } from '../../support/tasks.js';
import { artifactPath, wish } from '../artifacts.js';
import { operation } from '../operation.js';
import { PAST, soon, type World } from '../world.js';

const conflict = { code: 'RequestConflict' } as const;
const wrong = { code: 'InputError' } as const;
const DAYS = 2 * 86_400_000;

interface Created {
  params: { taskId: string; runId: string; name: string };
  credentials: Credentials;
  body: object;
}

/** What readers get of it. */
async function shown({ params, body: { storageType, expires } }: { params: Created['params']; body: Answer['body'] }, { root }: World) {
  expect(await ok(root.get(artifactPath(params, 'artifact-info')))).toMatchObject({ storageType, expires, name: params.name });
}

/** As the first, which then is there already. */
const before = ({ params, body }: Created, { root }: World) => ok(root.post(artifactPath(params), body));
/** Creates another first, and this one with some difference. */
const after = (first: object) => ({ before: (call: Created, world: World) => before({ ...call, body: first }, world) });

export default operation({
  arrange: async (world, alternative = 0) => {
    const { params, credentials } = await world.run();
    const bodies = [wish.s3, wish.object, wish.reference, wish.link, wish.error];
    return { params: { ...params, name: 'public/a' }, credentials, body: bodies[alternative]?.() ?? {} };
  },
  scopes: ({ params }) => [[`queue:create-artifact:${params.taskId}/0`]],
  check: async ({ body }, call, world) => {
    const contentType = 'application/octet-stream';
    expect(body).toEqual({ storageType: 's3', putUrl: expect.any(String), expires: expect.any(String), contentType });
    await shown(call, world);
    expect(await fetch(body.putUrl, { method: 'PUT', body: 'x' })).toMatchObject({ status: 200 });
  },
  also: {
    'an object, which nobody sees before it is finished': {
      call: { body: wish.object() },
      check: async ({ body }, { params }, { root }) => {
        const { taskId, name } = params;
        const about = { projectId: 'project', uploadId: expect.any(String), expires: expect.any(String) };
        expect(body).toEqual({ storageType: 'object', name: `t/${taskId}/0/${name}`, ...about, credentials: expect.any(Object) });
        expect(await root.get(artifactPath(params, 'artifact-info'))).toMatchObject({ status: 404 });
      },
    },
    ...Object.fromEntries(
      [wish.reference(), wish.link(), wish.error()].map((body) => [
        `of the type ${body.storageType}`,
        {
          call: (call: Created) => ({ ...call, body: { ...body, ...without(call.body, body) } }),
          check: async (answer: Answer, call: Created, world: World) => {
            expect(answer.body).toEqual({ storageType: body.storageType });
            await shown({ ...call, body }, world);
          },
        },
      ]),
    ),
    'the same again, by the run, with what it was lent': {
      before,
      call: ({ credentials }) => ({ as: credentials }),
      check: ({ body }) => expect(body.storageType).toBe('s3'),
    },
    'the same again, to expire later': {
      before,
      call: { body: { expires: soon(7_200_000) } },
      check: (_, call, world) => shown(call, world),
    },
    'a link where a reference was': {
      ...after(wish.reference()),
      call: (call) => ({ body: { ...without(call.body, wish.link()), ...wish.link() } }),
      check: ({ body }) => expect(body).toEqual({ storageType: 'link' }),
    },
    'of a run that has ended by an exception': {
      before: ({ params }, { tasks }) => ok(tasks.report('worker-shutdown', params.taskId)),
      check: (_, call, world) => shown(call, world),
    },
  },
  refusals: {
    'a task that does not exist': { call: () => ({ params: { taskId: slugid() } }), ...wrong, says: /Task .* does not exist/ },
    'a run that is none': { call: { params: { runId: '1' } }, ...wrong, says: /Run 1 of task .* does not exist/ },
    'a run beyond all runs': { call: { params: { runId: '99999' } }, ...wrong, says: /does not exist/ },
    'nobody has claimed it': {
      call: async (_, world) => ({ params: (await world.task()).params }),
      ...{ ...wrong, says: /was never claimed/ },
    },
    'already expired': { call: { body: { expires: PAST } }, ...wrong, says: /expires is in the past/ },
    'longer than its task': { call: { body: { expires: soon(DAYS) } }, ...wrong, says: /would expire after its task/ },
    'of no storage type': {
      call: { body: { storageType: 'azure' } },
      code: 'InputValidationError',
      says: /storageType must be one of s3, /,
    },
    'of another storage type': { ...after(wish.object()), ...conflict, says: /exists already as object/ },
    'of another content type': { before, call: { body: { contentType: 'a/b' } }, ...conflict, says: /with the content type/ },
    'to expire earlier': { before, call: { body: { expires: soon(60_000) } }, ...conflict, says: /cannot expire earlier/ },
    'its run is over': {
      before: ({ params }, { tasks }) => ok(tasks.report('completed', params.taskId)),
      ...{ ...conflict, says: /is completed; it takes no more artifacts/ },
    },
    'its run ended by an exception too long ago': {
      before: async ({ params }, { tasks }) => {
        await ok(tasks.steer('cancel', params.taskId));
        await tasks.alter(params.taskId, `resolved = now() - interval '26 minutes'`);
      },
      ...{ ...conflict, says: /is exception \(canceled\)/ },
    },
    'its lease lapsed too long ago': {
      before: ({ params }, { tasks }) => tasks.alter(params.taskId, `taken_until = now() - interval '26 minutes'`),
      ...{ ...conflict, says: /claim-expired/ },
    },
    'another run': {
      call: async (_, world) => ({ as: (await world.run()).credentials }),
      ...{ code: 'InsufficientScopes', says: /queue:create-artifact/ },
    },
    'the next run of the task': {
      before: ({ params }, { tasks }) => ok(tasks.report('worker-shutdown', params.taskId)),
      call: async ({ params }, { tasks }) => ({ as: (await ok(tasks.claimTask(params.taskId, 1, WORKER))).credentials }),
      ...{ code: 'InsufficientScopes', says: /queue:create-artifact/ },
    },
  },
});

/** Takes away the fields of one body that another has not. */
function without(body: object, other: object): object {
  return Object.fromEntries(Object.keys(body).flatMap((name) => (name in other ? [] : [[name, undefined]])));
}

import { type Answer, slugid } from '../support/api.js';
import { ok, WORKER } from '../support/tasks.js';
import { announced, BYTES, beside, completeObject, expire, shownObject, textAt, uploaded, wish } from './artifacts.js';
import type { Refusal, Success } from './operation.js';
import type { World } from './world.js';

interface OfArtifact {
  params: { taskId: string; runId: string; name: string };
}

const missing = { code: 'ResourceNotFound' } as const;

/** Runs in which there can be no artifacts: of those that name a run, and of those that take the latest. */
const withoutRun = {
  ofRun: {
    'a run that is none': { call: { params: { runId: '1' } }, ...missing, says: /Run 1 of task .* does not exist/ },
    'a run of a task without runs': {
      call: async (_, world) => ({ params: (await world.waiting()).params }),
      ...{ ...missing, says: /Run 0 of task .* does not exist/ },
    },
    'a run beyond all runs': { call: { params: { runId: '99999' } }, ...missing, says: /does not exist/ },
  },
  latest: {
    'a task without runs': {
      call: async (_, world) => ({ params: (await world.waiting()).params }),
      ...{ ...missing, says: /has no runs/ },
    },
  },
} satisfies Record<string, Record<string, Refusal<OfArtifact>>>;

const absent: Record<string, Refusal<OfArtifact>> = {
  'a name that is none': { call: { params: { name: 'public/none' } }, ...missing, says: /public\/none of run 0 .* does not exist/ },
  'an object that is not finished': {
    before: (call, world) => beside(call, world, 'public/begun', wish.object()),
    call: { params: { name: 'public/begun' } },
    ...{ ...missing, says: /is not finished/ },
  },
  'a name of another run': {
    before: async ({ params }, { tasks }) => {
      await ok(tasks.report('worker-shutdown', params.taskId));
      await ok(tasks.claimTask(params.taskId, 1, { ...WORKER, workerId: 'other' }));
    },
    call: { params: { runId: '1' } },
    ...{ ...missing, says: /of run 1 .* does not exist/ },
  },
};

/** What the two lists have in common. */
export function listing(of: 'ofRun' | 'latest') {
  return {
    arrange: async (world: World) => {
      const artifact = await uploaded(world);
      for (const name of ['public/B', 'é'.normalize('NFD')[0] ?? '']) await beside(artifact, world, name, wish.error());
      await beside(artifact, world, 'public/begun', wish.object());
      return artifact;
    },
    check: ({ body }: Answer) => {
      const about = { expires: expect.any(String), contentType: expect.any(String) };
      const error = { storageType: 'error', ...about };
      const artifacts = [
        { name: 'e', ...error },
        { name: 'public/B', ...error },
        { name: 'public/a', storageType: 's3', ...about, contentLength: BYTES.length },
      ];
      expect(body).toEqual({ artifacts });
    },
    pages: { list: (body: Answer['body']) => body.artifacts },
    unknown: () => ({ taskId: slugid() }),
    refusals: withoutRun[of],
  };
}

/** What artifactInfo and latestArtifactInfo have in common. */
export function describing(of: 'ofRun' | 'latest') {
  return {
    arrange: (world: World) => uploaded(world),
    check: ({ body }: Answer, { params }: OfArtifact) => {
      const about = { storageType: 's3', contentType: 'application/octet-stream', expires: expect.any(String) };
      expect(body).toEqual({ ...about, name: params.name, contentLength: BYTES.length });
    },
    unknown: () => ({ taskId: slugid() }),
    also: {
      'a link, which is not followed, and whose length is not known': {
        before: (call: OfArtifact, world: World) => beside(call, world, 'public/link', wish.link()),
        call: { params: { name: 'public/link' } },
        check: ({ body }: Answer) => {
          expect(body).toMatchObject({ storageType: 'link', name: 'public/link' });
          expect(body).not.toHaveProperty('contentLength');
        },
      },
    },
    refusals: { ...absent, ...withoutRun[of] },
  };
}

/** Makes `public/first` a link to `target`. */
const linked = (target: string) => ({
  before: (call: OfArtifact, world: World) => beside(call, world, 'public/first', wish.link(target)),
  call: { params: { name: 'public/first' } },
});

const unreadable: Record<string, Refusal<OfArtifact>> = {
  'a link to what there is not': { ...linked('public/none'), ...missing, says: /public\/none .* does not exist/ },
  'a link to itself': { ...linked('public/first'), code: 'InputError', says: /leads back to public\/first/ },
  'a link through too many': {
    before: async (call, world) => {
      for (let index = 0; index < 12; index++) await beside(call, world, `public/${index}`, wish.link(`public/${index + 1}`));
    },
    call: { params: { name: 'public/0' } },
    ...{ code: 'InputError', says: /more than 10 links/ },
  },
  'a link to a name whose scope the caller lacks': {
    ...linked('private/b'),
    call: async (_, world) => {
      const reader = await world.test.client('queue:get-artifact:public/*', 'queue:get-artifact:private/c');
      return { params: { name: 'public/first' }, as: reader.credentials! };
    },
    ...{ code: 'InsufficientScopes', says: /"queue:get-artifact:private\/b"/ },
  },
  'it has expired': { before: expire, code: 'ResourceExpired', says: /has expired at/ },
  'a link to what has expired': {
    before: async (call, world) => {
      await expire(call, world);
      await linked('public/a').before(call, world);
    },
    call: { params: { name: 'public/first' } },
    ...{ code: 'ResourceExpired', says: /public\/a has expired/ },
  },
};

type Seen = Success<OfArtifact>['check'];

/** What the four ways to an artifact's content have in common. `check` sees the one in `uploaded`; `object` one that is shown. */
function leading(of: 'ofRun' | 'latest', check: Seen, object: Seen, reference: Seen) {
  return {
    arrange: (world: World) => uploaded(world),
    scopes: ({ params }: OfArtifact) => [[`queue:get-artifact:${params.name}`]],
    check,
    unknown: () => ({ taskId: slugid() }),
    also: {
      'through a link': { ...linked('public/a'), check },
      'an object': { call: async (_: OfArtifact, world: World) => (await shownObject(world)).artifact, check: object },
      'a reference': {
        call: async (_: OfArtifact, world: World) => ({ params: (await announced(world, wish.reference())).params }),
        check: reference,
      },
    },
    refusals: {
      ...absent,
      ...withoutRun[of],
      ...unreadable,
      'an object that is complete but not shown': {
        call: async (_: OfArtifact, world: World) => (await completeObject(world)).artifact,
        ...{ ...missing, says: /is not finished/ },
      },
    },
  };
}

/** getArtifact and getLatestArtifact: the answer is a redirect. */
export function redirecting(of: 'ofRun' | 'latest') {
  const goesTo = (storageType: string, answer: Answer) => {
    const { url } = answer.body;
    expect(answer).toMatchObject({ status: 303, body: { storageType, url: expect.any(String) }, headers: { location: url } });
    expect(answer.headers['x-taskcluster-artifact-storage-type']).toBe(storageType);
    return url as string;
  };
  const bytes = (storageType: string) => async (answer: Answer) => expect(await textAt(goesTo(storageType, answer))).toBe(BYTES);
  const common = leading(of, bytes('s3'), bytes('object'), (answer) => expect(goesTo('reference', answer)).toBe('https://example.com/x'));
  const failed = { code: 424, says: /^no such file$/ };
  const wanted = (_: OfArtifact, world: World) => announced(world, wish.error()).then(({ params }) => ({ params }));
  return { ...common, refusals: { ...common.refusals, 'an error': { call: wanted, ...failed } } };
}

/** artifact and latestArtifact: the answer tells the way. */
export function telling(of: 'ofRun' | 'latest') {
  const url = { url: expect.any(String) };
  const check: Seen = async ({ body }) => {
    expect(body).toEqual({ storageType: 's3', ...url });
    expect(await textAt(body.url)).toBe(BYTES);
  };
  const object: Seen = async ({ body }, { params }, { root }) => {
    const name = `t/${params.taskId}/0/public/a`;
    expect(body).toEqual({ storageType: 'object', name, credentials: expect.any(Object) });
    const { headers } = await root.as(body.credentials).get(`/api/object/v1/download/${encodeURIComponent(name)}`);
    expect(await textAt(headers.location ?? '')).toBe(BYTES);
  };
  const common = leading(of, check, object, ({ body }) => expect(body).toEqual({ storageType: 'reference', url: 'https://example.com/x' }));
  const error = {
    call: async (_: OfArtifact, world: World) => ({ params: (await announced(world, wish.error())).params }),
    check: ({ body }: Answer) => expect(body).toEqual({ storageType: 'error', reason: 'file-missing-on-worker', message: 'no such file' }),
  };
  return { ...common, also: { ...common.also, 'an error': error } };
}

import { type Credentials, slugid } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { announced, announcedObject, artifactPath, completeObject, shownObject } from '../artifacts.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const wrong = { code: 'InputError' } as const;

interface Finished {
  params: { taskId: string; runId: string; name: string };
  run: Credentials;
}

async function seen(_: unknown, { params }: Finished, { root }: World) {
  expect(await ok(root.get(artifactPath(params, 'artifact-info')))).toMatchObject({ storageType: 'object', contentLength: 10 });
}

const callOn = ({ artifact, terms, run }: Awaited<ReturnType<typeof announcedObject>>) => ({
  params: artifact.params,
  body: { uploadId: terms.uploadId },
  run,
});

export default operation({
  arrange: async (world) => callOn(await completeObject(world)),
  scopes: ({ params }) => [[`queue:create-artifact:${params.taskId}/0`]],
  check: async (answer, call, world) => {
    expect(answer.status).toBe(204);
    await seen(answer, call, world);
  },
  unknown: () => ({ taskId: slugid() }),
  also: {
    'by the run, with what it was lent': { call: ({ run }) => ({ as: run }), check: seen },
    'the same again, also when the run is over': {
      call: async (_, world) => {
        const again = callOn(await shownObject(world));
        await ok(world.tasks.report('completed', again.params.taskId));
        return again;
      },
      check: seen,
    },
  },
  refusals: {
    'a name that is none': { call: { params: { name: 'none' } }, code: 'ResourceNotFound', says: /Artifact none .* does not exist/ },
    'a run beyond all runs': { call: { params: { runId: '99999' } }, code: 'ResourceNotFound', says: /does not exist/ },
    'what is no object': {
      call: async (_, world) => ({ params: (await announced(world)).params }),
      ...{ ...wrong, says: /is no object/ },
    },
    'by another upload id': { call: { body: { uploadId: slugid() } }, ...wrong, says: /has another uploadId/ },
    'its upload is not complete': {
      call: async (_, world) => callOn(await announcedObject(world)),
      ...{ ...wrong, says: /is not complete; call finishUpload first/ },
    },
    'its run is over': {
      before: ({ params }, { tasks }) => ok(tasks.report('failed', params.taskId)),
      ...{ code: 'RequestConflict', says: /is failed; it takes no more artifacts/ },
    },
    'another run': {
      call: async (_, world) => ({ as: (await world.run()).credentials }),
      ...{ code: 'InsufficientScopes', says: /queue:create-artifact/ },
    },
  },
});

import { randomUUID } from 'node:crypto';
import { ok } from '../../support/tasks.js';
import { announced, artifactPath, callOf, completeObject, expire, textAt } from '../artifacts.js';
import { operation } from '../operation.js';
import { signedCall } from '../signed.js';
import type { World } from '../world.js';

const conflict = { code: 'RequestConflict' } as const;
const HOUR = 3600;
const SOME = Buffer.from('some bytes');

interface Named {
  artifact: { params: { taskId: string; runId: string; name: string } };
}

async function stored({ artifact }: Named, { root }: World): Promise<string> {
  return textAt((await ok(root.get(artifactPath(artifact.params, 'artifact-content')))).url);
}

/** To a blob, as the service would have signed it. */
const upload =
  (blobId: string, seconds: number, atMost = 100) =>
  (_: unknown, world: World) =>
    signedCall(world, { method: 'PUT', blobId, expires: Math.floor(Date.now() / 1000) + seconds, atMost, contentType: 'a/b' });

export default operation({
  arrange: async (world) => {
    const { params, created } = await announced(world);
    return {
      ...callOf(created.putUrl),
      body: SOME,
      headers: { 'content-type': 'application/octet-stream' },
      artifact: { params },
      url: created.putUrl,
    };
  },
  check: async (_, call, world) => expect(await stored(call, world)).toBe('some bytes'),
  also: {
    'again: the last that came whole': {
      before: ({ url }) => fetch(url, { method: 'PUT', body: 'former bytes' }),
      check: async (_, call, world) => expect(await stored(call, world)).toBe('some bytes'),
    },
    nothing: { call: { body: Buffer.alloc(0) }, check: async (_, call, world) => expect(await stored(call, world)).toBe('') },
  },
  refusals: {
    'its time is over': {
      call: ({ params }, world) => upload(params.blobId, -1)(params, world),
      ...{ code: 'InsufficientScopes', says: /or its time is over/ },
    },
    'more than it may be': {
      call: ({ params }, world) => upload(params.blobId, HOUR, SOME.length - 1)(params, world),
      ...{ code: 'InputTooLarge', says: /larger than 9 bytes; nothing of it was kept/ },
    },
    'of an artifact that is gone': { call: upload(randomUUID(), HOUR), code: 'ResourceNotFound', says: /does not exist any more/ },
    'of an object that is complete': {
      call: async (_, world) => {
        const { artifact } = await completeObject(world);
        return upload(await blobOf(artifact.params, world), HOUR)(artifact, world);
      },
      ...{ ...conflict, says: /is complete; it stays as it is/ },
    },
    'its artifact has expired': { before: ({ artifact }, world) => expire(artifact, world), ...conflict, says: /has expired/ },
    'its run is over': {
      before: ({ artifact }, { tasks }) => ok(tasks.report('completed', artifact.params.taskId)),
      ...{ ...conflict, says: /is over; it takes no more/ },
    },
    'packed in a way that nobody unpacks': {
      call: { headers: { 'content-encoding': 'rot13' } },
      ...{ code: 'InputError', says: /Content-Encoding must be one of gzip, / },
    },
  },
});

async function blobOf({ taskId }: { taskId: string }, { test }: World): Promise<string> {
  return (await test.database.pool.query('select blob_id from artifact where task_id = $1', [taskId])).rows[0].blob_id;
}

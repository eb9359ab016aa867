import { createHash } from 'node:crypto';
import type { Answer } from '../../support/api.js';
import { ok } from '../../support/tasks.js';
import { announcedObject, BYTES, completeObject, uploadedObject, uploading } from '../artifacts.js';
import { operation } from '../operation.js';
import type { World } from '../world.js';

const digest = (algorithm: string, text: string) => createHash(algorithm).update(text).digest('hex');
const hashesOf = (text: string) => ({ sha256: digest('sha256', text), sha512: digest('sha512', text) });

/** It can be downloaded from now on, and its digests are known. */
async function complete({ body }: Answer, { params }: { params: { name: string } }, { root }: World) {
  expect(body).toEqual({});
  const start = `/api/object/v1/start-download/${encodeURIComponent(params.name)}`;
  expect(await ok(root.put(start, { acceptDownloadMethods: { getUrl: true } }))).toMatchObject({ hashes: hashesOf(BYTES) });
}

export default operation({
  ...uploading,
  arrange: async (world) => {
    const object = await uploadedObject(world);
    return { ...object, body: { ...object.terms, hashes: hashesOf(BYTES) } };
  },
  check: complete,
  also: {
    'with what was lent for it, and without digests': { call: ({ lent }) => ({ as: lent, body: { hashes: undefined } }), check: complete },
    'the same again': {
      call: async (_, world) => {
        const { params, terms } = await completeObject(world);
        return { params, body: terms };
      },
      check: complete,
    },
  },
  refusals: {
    ...uploading.refusals,
    'nothing was uploaded': {
      call: async (_, world) => {
        const { params, terms } = await announcedObject(world);
        return { params, body: terms };
      },
      ...{ code: 'InputError', says: /Nothing was uploaded/ },
    },
    'other bytes were uploaded': { call: { body: { hashes: hashesOf('x') } }, code: 'InputError', says: /another sha256: [0-9a-f]{64};/ },
    'what is no digest': {
      call: { body: { hashes: { sha512: digest('sha256', BYTES) } } },
      ...{ code: 'InputValidationError', says: /hashes\.sha512 must be a SHA-512/ },
    },
  },
});

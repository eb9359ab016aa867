import { randomUUID } from 'node:crypto';
import { ok } from '../../support/tasks.js';
import { announced, artifactPath, BYTES, callOf, uploaded } from '../artifacts.js';
import { operation } from '../operation.js';
import { signedCall } from '../signed.js';
import type { World } from '../world.js';

const range = (asked: string) => ({ headers: { range: asked } });

/** Of a blob, as the service would have signed it. */
const download = (blobId: string, seconds: number) => (_: unknown, world: World) =>
  signedCall(world, { method: 'GET', blobId, expires: Math.floor(Date.now() / 1000) + seconds, fileName: 'a' });

export default operation({
  arrange: async (world) => {
    const { params } = await uploaded(world);
    const { url } = await ok(world.root.get(artifactPath(params, 'artifact-content')));
    return { ...callOf(url), headers: {} };
  },
  check: ({ status, headers, body }) => {
    expect([status, String(body)]).toEqual([200, BYTES]);
    expect(headers).toMatchObject({
      ...{ 'content-type': 'application/octet-stream', 'content-length': String(BYTES.length), 'accept-ranges': 'bytes' },
      ...{ 'content-disposition': 'attachment; filename="a"', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' },
      'content-security-policy': expect.stringMatching(/^sandbox; default-src 'none'/),
    });
  },
  also: {
    'a range': {
      call: range('bytes=2-4'),
      check: ({ status, headers, body }) => {
        expect([status, headers['content-range'], String(body)]).toEqual([206, `bytes 2-4/${BYTES.length}`, BYTES.slice(2, 5)]);
      },
    },
    'several ranges, answered with all': {
      call: range('bytes=0-1,4-5'),
      check: ({ status, body }) => expect([status, String(body)]).toEqual([200, BYTES]),
    },
  },
  refusals: {
    'its time is over': {
      call: ({ params }, world) => download(params.blobId, -1)(params, world),
      ...{ code: 'InsufficientScopes', says: /or its time is over/ },
    },
    'a range outside': { call: range(`bytes=${BYTES.length}-`), code: 'RangeNotSatisfiable', says: /outside of the 10 bytes/ },
    'what was never uploaded': {
      call: async (_, world) => {
        const { putUrl } = (await announced(world)).created;
        return download(callOf(putUrl).params.blobId, 60)(putUrl, world);
      },
      ...{ code: 'ResourceNotFound', says: /Nothing was uploaded here/ },
    },
    'what is gone': { call: download(randomUUID(), 60), code: 'ResourceNotFound', says: /Nothing was uploaded here/ },
  },
});

import { announcedObject, BYTES, completeObject, uploading } from '../artifacts.js';
import { operation } from '../operation.js';
import { soon } from '../world.js';

const byUrl = (contentLength: number) => ({ putUrl: { contentType: 'a/b', contentLength } });
const bounded = { code: 'InputTooLarge' } as const;

export default operation({
  ...uploading,
  arrange: async (world) => {
    const object = await announcedObject(world);
    return { ...object, body: object.upload };
  },
  check: ({ body }, { terms, upload }) => expect(body).toEqual({ ...terms, expires: upload.expires, uploadMethod: { dataInline: true } }),
  also: {
    'again, with what was lent for it': {
      call: ({ lent }) => ({ as: lent }),
      check: ({ body }) => expect(body.uploadMethod).toEqual({ dataInline: true }),
    },
    'by a URL': {
      call: { body: { proposedUploadMethods: byUrl(BYTES.length) } },
      check: async ({ body }) => {
        const { url, expires, headers } = body.uploadMethod.putUrl;
        expect(Date.parse(expires)).toBeGreaterThan(Date.now());
        expect(headers).toEqual({ 'Content-Type': 'application/octet-stream', 'Content-Length': String(BYTES.length) });
        expect(await fetch(url, { method: 'PUT', body: `${BYTES}x` })).toMatchObject({ status: 413 });
        expect(await fetch(url, { method: 'PUT', body: BYTES })).toMatchObject({ status: 200 });
      },
    },
    'by no way that is proposed': {
      call: { body: { proposedUploadMethods: undefined } },
      check: ({ body }) => expect(body.uploadMethod).toEqual({}),
    },
  },
  refusals: {
    ...uploading.refusals,
    'of what is complete': {
      call: async (_, world) => {
        const { params, upload } = await completeObject(world);
        return { params, body: upload };
      },
      ...{ code: 'RequestConflict', says: /is complete; it stays as it is/ },
    },
    'to expire after its artifact': {
      call: { body: { expires: soon(7_200_000) } },
      code: 'RequestConflict',
      says: /expires with its artifact/,
    },
    'more than an artifact may be': { call: { body: { proposedUploadMethods: byUrl(1e12) } }, ...bounded, says: /larger than \d+ bytes/ },
    'what is no base64': {
      call: { body: { proposedUploadMethods: { dataInline: { contentType: 'a/b', objectData: '!' } } } },
      ...{ code: 'InputValidationError', says: /objectData must be base64/ },
    },
  },
});

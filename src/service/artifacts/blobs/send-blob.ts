import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../../http/api-error.js';
import { allowLongAnswer } from '../../http/streamed-body.js';
import type { OpenBlob } from './blob-directory.js';
import { byteRange } from './byte-range.js';
import { dispositionOf } from './disposition.js';

/**
 * Artifacts are written by whoever runs tasks, and come from the origin of the API: a page among them must not be one of this origin.
 * So it is sandboxed (no script, an origin of its own), taken for no other type, and not even shown where it could be active.
 */
const SAFETY = {
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer', // the URL is a secret
  'cross-origin-resource-policy': 'cross-origin',
};

/** Answers with a blob or a range of it, as it was uploaded. Closes it, whatever happens. */
export async function sendBlob(blob: OpenBlob, fileName: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { contentType, contentEncoding, length, etag } = blob.stored;
  const range = isRanged(request, etag) ? byteRange(request.headers.range, length) : undefined;
  reply.headers({ ...SAFETY, 'accept-ranges': 'bytes', ...(etag === undefined ? {} : { etag: `"${etag}"` }) });
  if (range === 'unsatisfiable') {
    await blob.close();
    reply.header('content-range', `bytes */${length}`);
    throw new ApiError('RangeNotSatisfiable', `The range is outside of the ${length} bytes; ask for one within`);
  }
  const { start, end } = range ?? { start: 0, end: length - 1 };
  reply.code(range ? 206 : 200).headers({
    'content-type': contentType,
    'content-length': String(end - start + 1),
    'content-disposition': dispositionOf(contentType, fileName),
    ...(contentEncoding === undefined ? {} : { 'content-encoding': contentEncoding }),
    ...(range ? { 'content-range': `bytes ${start}-${end}/${length}` } : {}),
  });
  const empty = request.method === 'HEAD' || end < start;
  if (empty) await blob.close();
  else allowLongAnswer(reply);
  reply.send(empty ? Readable.from([]) : blob.read(start, end)); // for HEAD a stream, too: Fastify keeps the length only of those
}

/** A range is for GET (RFC 9110, 14.2), and for who resumes a download only as long as the bytes are those it began with (13.1.5). */
function isRanged({ method, headers }: FastifyRequest, etag: string | undefined): boolean {
  const condition = headers['if-range'];
  return method === 'GET' && (condition === undefined || (etag !== undefined && condition === `"${etag}"`));
}

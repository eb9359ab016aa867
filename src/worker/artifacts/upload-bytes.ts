import { createHash } from 'node:crypto';
import { type BigIntStats, fstatSync, read } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { ArtifactError, type ArtifactErrorCode } from './artifact-error.js';

const READ_AT_ONCE = 256 * 1024;
/** Milliseconds without a byte in either direction. */
const STALLED = 60_000;

export interface UploadedBytes {
  /** Of all that was sent, in hex. */
  sha256: string;
  bytes: number;
}

/**
 * PUTs an open file, from its beginning, with its length: buckets want that. The last piece is sent once the file was seen to be what it was
 * at first, so nothing is kept of one that changes meanwhile. The URL is a secret, and not in messages. Throws ArtifactError.
 */
export async function uploadBytes(url: string, contentType: string, file: number): Promise<UploadedBytes> {
  const before = fstatSync(file, { bigint: true });
  const sha256 = createHash('sha256');
  const headers = { 'content-type': contentType, 'content-length': String(before.size) };
  const status = await send(
    url,
    headers,
    Readable.from(
      pieces(file, before, (piece) => sha256.update(piece)),
      { objectMode: false },
    ),
  );
  if (status < 200 || status >= 300) throw new ArtifactError(codeOf(status), `Where the bytes were to go, ${status} was answered`);
  return { sha256: sha256.digest('hex'), bytes: Number(before.size) };
}

/**
 * All else is between the queue and its place of bytes (a bucket that is gone, clocks that differ), and no task can mend it. For a URL that is
 * no good any more (403) another is to be had.
 */
function codeOf(status: number): ArtifactErrorCode {
  if (status === 409) return 'conflict';
  return status === 413 ? 'too-large' : 'unavailable';
}

async function* pieces(file: number, before: BigIntStats, seen: (piece: Buffer) => void): AsyncIterable<Buffer> {
  const size = Number(before.size);
  for (let at = 0; at < size; ) {
    const length = Math.min(READ_AT_ONCE, size - at);
    const { bytesRead, buffer } = await promisify(read)(file, Buffer.alloc(length), 0, length, at);
    at += bytesRead;
    if (bytesRead === 0 || at === size) assertUnchanged(file, before);
    if (bytesRead === 0) throw new ArtifactError('changed', 'The file is shorter than it was; let nothing write to it any more');
    const piece = buffer.subarray(0, bytesRead);
    seen(piece);
    yield piece;
  }
}

function assertUnchanged(file: number, before: BigIntStats): void {
  const after = fstatSync(file, { bigint: true });
  if (after.size === before.size && after.ctimeNs === before.ctimeNs) return; // nobody can set that one back
  throw new ArtifactError('changed', 'The file changed while it was sent; let nothing write to it any more');
}

/** The status of the answer. One that comes before all was sent ends the sending. */
async function send(url: string, headers: Record<string, string>, bytes: Readable): Promise<number> {
  const call = requestTo(url, headers);
  call.setTimeout(STALLED, () => call.destroy(new Error(`nothing came or went for ${STALLED} ms`)));
  const answered = new AbortController();
  const status = statusOf(call, () => answered.abort());
  const sent = pipeline(bytes, call, { signal: answered.signal });
  const [end, told] = await Promise.allSettled([sent, status]);
  if (told.status === 'fulfilled' && (end.status === 'fulfilled' || told.value >= 300)) return told.value;
  const error = end.status === 'rejected' ? end.reason : (told as PromiseRejectedResult).reason;
  if (error instanceof ArtifactError) throw error;
  throw new ArtifactError('unavailable', `The bytes could not be sent (${error.code ?? error.message})`, { cause: error });
}

/** The queue says where to and as what; that may be anything. */
function requestTo(url: string, headers: Record<string, string>): ClientRequest {
  try {
    return (url.startsWith('https:') ? httpsRequest : httpRequest)(url, { method: 'PUT', headers });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new ArtifactError('refused', `The queue did not tell where bytes can be sent to (${code})`, { cause });
  }
}

function statusOf(call: ClientRequest, answered: () => void): Promise<number> {
  return new Promise((resolve, reject) => {
    call.on('error', reject).on('close', () => reject(new Error('the connection was closed')));
    call.on('response', (response: IncomingMessage) => {
      resolve(response.statusCode ?? 0);
      response.on('error', () => undefined).resume();
      if (!call.writableFinished) answered();
    });
  });
}

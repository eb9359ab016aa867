import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { parseObjectName, scopedName } from '../../credentials/artifact-grant.js';
import { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { Sql } from '../postgres/sql.js';
import type { StoredBlob } from './blobs/blob-store.js';
import { Blobs } from './blobs/blobs.js';
import { Downloads } from './downloads.js';
import type {
  CreateUploadRequest,
  CreateUploadResponse,
  FinishUploadRequest,
  GetUrlDownload,
  ObjectHashes,
  SimpleDownload,
  StartDownloadRequest,
} from './objects.dto.js';
import { finishUpload } from './sql/finish-upload.js';
import type { UploadRow } from './sql/upload-columns.js';
import { tooLarge, Uploads } from './uploads.js';

/** `<object>` is the object's name, or its digest where no scope can hold the name: see `scopedName`. */
export const UPLOAD_SCOPE = 'object:upload:<projectId>:<object>';
export const DOWNLOAD_SCOPE = 'object:download:<object>';

const PUT_MS = 45 * 60 * 1000;

/** As much of an object service as artifacts of the storage type `object` need: those are all the objects there are. */
@Injectable()
export class ObjectsService {
  constructor(
    private readonly sql: Sql,
    private readonly uploads: Uploads,
    private readonly downloads: Downloads,
    private readonly blobs: Blobs,
    private readonly config: Config,
  ) {}

  async createUpload(object: string, request: CreateUploadRequest, caller: Caller): Promise<CreateUploadResponse> {
    const { projectId, uploadId, proposedUploadMethods: { dataInline, putUrl } = {} } = request;
    const row = await this.upload(object, request, caller);
    this.uploads.assertOpen(row);
    if (new Date(request.expires) > row.expires) {
      throw new ApiError('RequestConflict', `The object expires with its artifact, at ${row.expires.toISOString()}; keep to that`);
    }
    const answer = { projectId, uploadId, expires: row.expires.toISOString() };
    if (dataInline) {
      await this.uploads.put(row, Readable.from([bytesOf(dataInline.objectData)]), { atMost: this.config.artifactMaxSize });
      return { ...answer, uploadMethod: { dataInline: true } };
    }
    return { ...answer, uploadMethod: putUrl ? { putUrl: await this.putUrl(row, putUrl.contentLength) } : {} };
  }

  /** From now on the object stays as it is. What the uploader says of its bytes must be true of those that came. */
  async finishUpload(object: string, request: FinishUploadRequest, caller: Caller): Promise<void> {
    const row = await this.upload(object, request, caller);
    if (row.uploaded) return;
    this.uploads.assertOpen(row);
    const stored = await (await this.blobs.store(row.store ?? 'disk')).find(row.blobId ?? '');
    if (!stored) throw new ApiError('InputError', `Nothing was uploaded for object ${object}; PUT it first`);
    const hashes = agreed(request.hashes ?? {}, stored);
    const [finished] = await this.sql.query(finishUpload, [row.blobId, stored.length, JSON.stringify(hashes)]);
    if (!finished) throw new ApiError('RequestConflict', `Object ${object} has changed meanwhile; finish it again`);
  }

  async startDownload(
    object: string,
    { acceptDownloadMethods }: StartDownloadRequest,
    caller: Caller,
  ): Promise<SimpleDownload | GetUrlDownload> {
    const row = await this.download(object, caller);
    const { url, expires } = await this.downloads.of(row);
    const hashes = row.hashes ?? {};
    if (acceptDownloadMethods.getUrl) return { method: 'getUrl', url, expires: expires.toISOString(), hashes };
    if (acceptDownloadMethods.simple) return { method: 'simple', url };
    throw new ApiError('NoMatchingMethod', 'acceptDownloadMethods has none that we know; accept simple, or getUrl');
  }

  /** A URL for whoever can only GET. */
  async downloadUrl(object: string, caller: Caller): Promise<string> {
    return (await this.downloads.of(await this.download(object, caller))).url;
  }

  private async putUrl(row: UploadRow, contentLength: number) {
    if (contentLength > this.config.artifactMaxSize) throw tooLarge(this.config.artifactMaxSize);
    const expires = new Date(Math.min(Date.now() + PUT_MS, row.expires.getTime()));
    const store = await this.blobs.store(row.store ?? 'disk');
    const terms = { contentType: row.contentType, atMost: contentLength, announced: contentLength, expires };
    const url = await store.uploadUrl(row.blobId ?? '', terms);
    const headers = { 'Content-Type': row.contentType, 'Content-Length': String(contentLength) };
    return { url, expires: expires.toISOString(), headers };
  }

  private async upload(object: string, request: { projectId: string; uploadId: string }, caller: Caller): Promise<UploadRow> {
    const { projectId, uploadId } = request;
    caller.require(UPLOAD_SCOPE, { projectId, object: scopedName(object) });
    const row = await this.find(object);
    if (row?.projectId !== projectId) throw unknown(object);
    if (row.uploadId !== uploadId)
      throw new ApiError('RequestConflict', `Object ${object} has another uploadId; use that of createArtifact`);
    return row;
  }

  private async download(object: string, caller: Caller): Promise<UploadRow> {
    caller.require(DOWNLOAD_SCOPE, { object: scopedName(object) });
    const row = await this.find(object);
    if (!row?.uploaded || row.expired) throw unknown(object);
    return row;
  }

  private async find(object: string): Promise<UploadRow | undefined> {
    const name = parseObjectName(object);
    const row = name && (await this.uploads.byName(name.taskId, Math.min(name.runId, 1001), name.name));
    return row?.storageType === 'object' ? row : undefined;
  }
}

function unknown(object: string): ApiError {
  return new ApiError('ResourceNotFound', `Object ${object} does not exist, or is not finished; objects are made by createArtifact`);
}

/** Node decodes anything, and drops what it does not understand: bytes that are not those that were meant. */
function bytesOf(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') === base64) return bytes;
  throw new ApiError('InputValidationError', 'proposedUploadMethods.dataInline.objectData must be base64 with padding (RFC 4648, 4)');
}

/** The digests to be handed to who downloads. Where the bytes went past us (S3) we can only repeat what the uploader says. */
function agreed(claimed: ObjectHashes, stored: StoredBlob): Record<string, string> {
  const given = Object.fromEntries(Object.entries(claimed).filter(([, digest]) => digest !== undefined));
  for (const [algorithm, digest] of Object.entries(stored.hashes)) {
    if (given[algorithm] !== undefined && given[algorithm] !== digest) {
      throw new ApiError('InputError', `What was uploaded has another ${algorithm}: ${digest}; upload it again`);
    }
  }
  return { ...given, ...stored.hashes };
}

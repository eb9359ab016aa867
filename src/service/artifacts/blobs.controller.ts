import { Controller, Get, Put, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Config } from '../config.js';
import { always, sometimes } from '../http/answer-headers.js';
import { ApiError } from '../http/api-error.js';
import type { ApiRequest } from '../http/caller.guard.js';
import { Operation } from '../http/operation.decorator.js';
import { UrlQuery } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { allowLongBody } from '../http/streamed-body.js';
import { UrlParam } from '../http/url-param.js';
import { Keys } from '../keys.js';
import { DiskStore } from './blobs/disk-store.js';
import { sendBlob } from './blobs/send-blob.js';
import { type BlobPermit, isPermitted } from './blobs/signed-url.js';
import { tooLarge, Uploads } from './uploads.js';

const BlobId = () => UrlParam('blobId', { pattern: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, description: 'a lower-case UUID' });
const Expires = () =>
  UrlQuery('expires', { pattern: /^[0-9]{1,12}$/, type: 'integer', description: 'Until when the URL works: unix seconds' });
const Signature = () => UrlQuery('signature', { pattern: /^[\w-]{43}$/, description: 'Of all the rest, by this service' });
const Size = () => UrlQuery('size', { pattern: /^[0-9]{1,16}$/, type: 'integer', description: 'At most so many bytes' });
const FileName = () => UrlQuery('name', { pattern: /^[\w.-]{1,100}$/, description: 'What the bytes are called in a file' });
const Type = () => UrlQuery('type', { pattern: /^[\x20-\x7e]{1,255}$/, description: 'The content type' });

const ENCODINGS = ['gzip', 'br', 'deflate', 'zstd', 'compress'];

const OF_BLOB = {
  'accept-ranges': always('`bytes`'),
  etag: sometimes('Of these bytes; another upload has another'),
};
const BYTES = {
  ...OF_BLOB,
  'content-disposition': always('What to call it in a file, and whether it may be shown'),
  'content-encoding': sometimes('As it was uploaded'),
};
const RANGE = { ...BYTES, 'content-range': always('`bytes <first>-<last>/<length>`') };

/** The bytes of artifacts on disk. The URL is the authority: whoever has it may do what it says, until its time is over. */
@ApiTags('artifacts: bytes')
@Controller('api/artifacts/v1/blobs')
export class BlobsController {
  constructor(
    private readonly disk: DiskStore,
    private readonly uploads: Uploads,
    private readonly keys: Keys,
    private readonly config: Config,
  ) {}

  @Put(':blobId')
  @RequireScopes(null)
  @ApiConsumes('application/octet-stream')
  @ApiBody({ description: 'The bytes; the type is that of the URL', schema: { type: 'string', format: 'binary' } })
  @Operation({
    summary: 'Upload the bytes of an artifact',
    description:
      'To a URL that createArtifact or createUpload answered. The bytes are taken as they come; a Content-Encoding is kept and sent back. ' +
      'A repeated upload replaces the former one when it is complete, while the run may still leave artifacts.',
    unsigned: true,
    streamed: true,
    errors: ['InsufficientScopes', 'InputError', 'ResourceNotFound', 'RequestConflict', 'InputTooLarge'],
  })
  async putBlob(
    @BlobId() blobId: string,
    @Expires() expires: string | undefined,
    @Size() size: string | undefined,
    @Type() contentType: string | undefined,
    @Signature() signature: string | undefined,
    @Req() request: ApiRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const permit = { method: 'PUT', blobId, expires: Number(expires), atMost: Number(size), contentType: contentType ?? '' } as const;
    this.demand(permit, signature);
    const row = await this.uploads.byBlob(blobId);
    if (!row) throw new ApiError('ResourceNotFound', 'The artifact does not exist any more');
    this.uploads.assertOpen(row);
    const atMost = Math.min(permit.atMost, this.config.artifactMaxSize);
    if (Number(request.headers['content-length'] ?? 0) > atMost) throw tooLarge(atMost);
    const terms = { atMost, ...contentEncoding(request) };
    allowLongBody(request, reply);
    await this.uploads.receive(row, request.raw, terms, permit.expires * 1000);
  }

  @Get(':blobId')
  @RequireScopes(null)
  @Operation({
    summary: 'Download the bytes of an artifact',
    description: 'From a URL that we answered or redirected to. One Range is served, several are answered with all; If-Range is heeded.',
    unsigned: true,
    streamed: true,
    errors: ['InsufficientScopes', 'ResourceNotFound', 'RangeNotSatisfiable'],
    headers: { 200: BYTES, 416: { ...OF_BLOB, 'content-range': always('`bytes */<length>`') } },
  })
  @ApiResponse({ status: 206, description: 'The range that was asked for', headers: RANGE })
  @ApiHeader({
    name: 'range',
    required: false,
    description: 'Bytes that are asked for, as `bytes=0-99`; what is no range of bytes is not heeded, as are several',
    schema: { type: 'string' },
  })
  @ApiHeader({
    name: 'if-range',
    required: false,
    description: 'The `etag` of the bytes that the range is asked of; of others, all are sent',
    schema: { type: 'string' },
  })
  async getBlob(
    @BlobId() blobId: string,
    @Expires() expires: string | undefined,
    @FileName() fileName: string | undefined,
    @Signature() signature: string | undefined,
    @Req() request: ApiRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const permit = { method: 'GET', blobId, expires: Number(expires), fileName: fileName ?? '' } as const;
    this.demand(permit, signature);
    const blob = await this.disk.open(blobId);
    if (!blob) throw new ApiError('ResourceNotFound', 'Nothing was uploaded here');
    await sendBlob(blob, permit.fileName, request, reply);
  }

  private demand(permit: BlobPermit, signature: string | undefined): void {
    if (signature !== undefined && isPermitted(this.keys.blobs, permit, signature, Date.now())) return;
    throw new ApiError('InsufficientScopes', 'The URL is not as this service signed it, or its time is over; ask for a new one');
  }
}

function contentEncoding({ headers }: ApiRequest): { contentEncoding?: string } {
  const encoding = headers['content-encoding']?.trim().toLowerCase() || 'identity';
  if (encoding === 'identity') return {};
  if (ENCODINGS.includes(encoding)) return { contentEncoding: encoding };
  throw new ApiError('InputError', `Content-Encoding must be one of ${ENCODINGS.join(', ')}, or absent`);
}

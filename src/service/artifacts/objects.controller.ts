import { Controller, Get, Post, Put, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { always } from '../http/answer-headers.js';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { Operation } from '../http/operation.decorator.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import {
  CreateUploadRequest,
  CreateUploadResponse,
  FinishUploadRequest,
  FinishUploadResponse,
  GetUrlDownload,
  SimpleDownload,
  StartDownloadRequest,
} from './objects.dto.js';
import { DOWNLOAD_SCOPE, ObjectsService, UPLOAD_SCOPE } from './objects.service.js';

const Name = () =>
  UrlParam('name', { pattern: /^[\x20-\x7e]{1,1100}$/, description: 'the name of an object, as createArtifact answers it' });
const BODY = ['InputValidationError', 'ResourceNotFound'] as const;
const OBJECT = '`<object>` is the name; where no scope can hold that, `sha256/` and the hexadecimal SHA-256 of it.';

/** Uploads and downloads of artifacts of the storage type `object`, by the credentials that the queue lends for each. */
@ApiTags('object')
@Controller('api/object/v1')
export class ObjectsController {
  constructor(private readonly objects: ObjectsService) {}

  @Put('upload/:name')
  @RequireScopes(UPLOAD_SCOPE)
  @Operation({
    summary: 'Begin the upload of an object',
    description: OBJECT,
    response: CreateUploadResponse,
    errors: [...BODY, 'RequestConflict'],
  })
  createUpload(@CallerOf() caller: Caller, @Name() name: string, @Payload() request: CreateUploadRequest): Promise<CreateUploadResponse> {
    return this.objects.createUpload(name, request, caller);
  }

  @Post('finish-upload/:name')
  @RequireScopes(UPLOAD_SCOPE)
  @Operation({
    summary: 'Say that an upload is complete',
    description: OBJECT,
    response: FinishUploadResponse,
    errors: [...BODY, 'InputError', 'RequestConflict'],
  })
  async finishUpload(
    @CallerOf() caller: Caller,
    @Name() name: string,
    @Payload() request: FinishUploadRequest,
  ): Promise<FinishUploadResponse> {
    await this.objects.finishUpload(name, request, caller);
    return {};
  }

  @Put('start-download/:name')
  @RequireScopes(DOWNLOAD_SCOPE)
  @Operation({
    summary: 'Tell how an object can be downloaded',
    description: OBJECT,
    oneOf: [SimpleDownload, GetUrlDownload],
    errors: [...BODY, 'NoMatchingMethod'],
  })
  startDownload(
    @CallerOf() caller: Caller,
    @Name() name: string,
    @Payload() request: StartDownloadRequest,
  ): Promise<SimpleDownload | GetUrlDownload> {
    return this.objects.startDownload(name, request, caller);
  }

  @Get('download/:name')
  @RequireScopes(DOWNLOAD_SCOPE)
  @Operation({
    summary: 'Go to the content of an object',
    description: OBJECT,
    status: 303,
    errors: ['ResourceNotFound'],
    headers: { 303: { location: always('Where the bytes are') } },
  })
  async download(@CallerOf() caller: Caller, @Name() name: string, @Res() reply: FastifyReply): Promise<void> {
    const url = await this.objects.downloadUrl(name, caller);
    reply.code(303).header('location', url).send();
  }
}

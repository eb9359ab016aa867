import { applyDecorators, Controller, Get, Res } from '@nestjs/common';
import { ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { objectName } from '../../credentials/artifact-grant.js';
import { always } from '../http/answer-headers.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { Operation } from '../http/operation.decorator.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { Name, RunId, runNumber, TaskId } from './artifact-params.js';
import { ArtifactLocation, ErrorArtifact, ErrorContent, ObjectContent, UrlContent } from './artifacts.dto.js';
import { Downloads } from './downloads.js';
import { FindArtifact, GET_ARTIFACT_SCOPE } from './find-artifact.service.js';
import { LendArtifactCredentials } from './lend-artifact-credentials.js';
import type { ArtifactRow } from './sql/artifact-columns.js';

const GONE = ['ResourceNotFound', 'ResourceExpired', 'InputError'] as const;

const STORAGE_TYPE = 'x-taskcluster-artifact-storage-type';
const TELLING = { [STORAGE_TYPE]: always('The storage type of the artifact, where links lead to') };

const Redirects = (summary: string) =>
  applyDecorators(
    Operation({
      summary,
      description: 'Links are followed; the caller needs the scope of each name on the way.',
      response: ArtifactLocation,
      status: 303,
      errors: GONE,
      headers: { 303: { ...TELLING, location: always('Where the bytes are, as `url` says') } },
    }),
    ApiHeader({
      name: 'x-taskcluster-skip-cdn',
      required: false,
      description: 'Accepted of clients that send it; it means nothing here, where there is no CDN',
      schema: { type: 'string' },
    }),
    ApiResponse({ status: 424, description: 'It could not be uploaded', type: ErrorArtifact, headers: TELLING }),
  );

const Tells = (summary: string) =>
  Operation({
    summary,
    description: 'Links are followed; the caller needs the scope of each name on the way.',
    oneOf: [UrlContent, ObjectContent, ErrorContent],
    errors: GONE,
  });

/** The way to an artifact's bytes: as a redirect, or told. */
@ApiTags('queue: artifacts')
@Controller('api/queue/v1/task/:taskId')
export class ContentController {
  constructor(
    private readonly artifacts: FindArtifact,
    private readonly downloads: Downloads,
    private readonly credentials: LendArtifactCredentials,
  ) {}

  @Get('runs/:runId/artifacts/:name')
  @RequireScopes(GET_ARTIFACT_SCOPE)
  @Redirects('Go to the content of an artifact')
  async getArtifact(
    @CallerOf() caller: Caller,
    @TaskId() taskId: string,
    @RunId() runId: string,
    @Name() name: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.redirect(await this.artifacts.content(taskId, runNumber(runId), name, caller), reply);
  }

  @Get('artifacts/:name')
  @RequireScopes(GET_ARTIFACT_SCOPE)
  @Redirects('Go to the content of an artifact of the latest run')
  async getLatestArtifact(
    @CallerOf() caller: Caller,
    @TaskId() taskId: string,
    @Name() name: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.redirect(await this.artifacts.content(taskId, undefined, name, caller), reply);
  }

  @Get('runs/:runId/artifact-content/:name')
  @RequireScopes(GET_ARTIFACT_SCOPE)
  @Tells('Tell where the content of an artifact is')
  async artifact(@CallerOf() caller: Caller, @TaskId() taskId: string, @RunId() runId: string, @Name() name: string) {
    return this.tell(await this.artifacts.content(taskId, runNumber(runId), name, caller), caller);
  }

  @Get('artifact-content/:name')
  @RequireScopes(GET_ARTIFACT_SCOPE)
  @Tells('Tell where the content of an artifact of the latest run is')
  async latestArtifact(@CallerOf() caller: Caller, @TaskId() taskId: string, @Name() name: string) {
    return this.tell(await this.artifacts.content(taskId, undefined, name, caller), caller);
  }

  private async redirect(artifact: ArtifactRow, reply: FastifyReply): Promise<void> {
    const { storageType, details } = artifact;
    if (storageType === 'error') {
      reply.code(424).header(STORAGE_TYPE, storageType).send({ reason: details.reason, message: details.message });
      return;
    }
    const url = await this.urlOf(artifact);
    reply
      .code(303)
      .headers({ [STORAGE_TYPE]: storageType, location: url })
      .send({ storageType, url });
  }

  private async tell(artifact: ArtifactRow, caller: Caller): Promise<UrlContent | ObjectContent | ErrorContent> {
    const { storageType, details } = artifact;
    const { reason = '', message = '' } = details;
    if (storageType === 'error') return { storageType, reason, message };
    if (storageType === 'object') {
      return { storageType, name: objectName(artifact), credentials: await this.credentials.forDownload(artifact, caller) };
    }
    return { storageType, url: await this.urlOf(artifact) };
  }

  private async urlOf(artifact: ArtifactRow): Promise<string> {
    return artifact.details.url ?? (await this.downloads.of(artifact)).url;
  }
}

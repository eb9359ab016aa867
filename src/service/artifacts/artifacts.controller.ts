import { Controller, Get, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { ApiOneOf, Payload, PayloadByField } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit } from '../http/query.js';
import { OwnRun, RequireScopes } from '../http/require-scopes.decorator.js';
import { Name, RunId, runNumber, TaskId } from './artifact-params.js';
import {
  ARTIFACT_REQUESTS,
  ArtifactCreated,
  type ArtifactRequest,
  ArtifactResponse,
  ArtifactsResponse,
  FinishArtifactRequest,
  ObjectArtifactCreated,
  S3ArtifactCreated,
} from './artifacts.dto.js';
import { CreateArtifactService } from './create-artifact.service.js';
import { FindArtifact } from './find-artifact.service.js';

const BODY = ['InputValidationError', 'InputError', 'RequestConflict'] as const;

/** What runs leave behind: announced by them, listed for others. */
@ApiTags('queue: artifacts')
@Controller('api/queue/v1/task/:taskId')
export class ArtifactsController {
  constructor(
    private readonly creation: CreateArtifactService,
    private readonly artifacts: FindArtifact,
  ) {}

  @Post('runs/:runId/artifacts/:name')
  @OwnRun()
  @RequireScopes('queue:create-artifact:<taskId>/<runId>')
  @ApiOneOf(ARTIFACT_REQUESTS)
  @Operation({
    summary: 'Create an artifact of a run',
    description: 'While the run is held, and for 25 minutes after an exception. A reference may change, or become a link.',
    oneOf: [S3ArtifactCreated, ObjectArtifactCreated, ArtifactCreated],
    errors: BODY,
  })
  createArtifact(
    @CallerOf() caller: Caller,
    @TaskId() taskId: string,
    @RunId() runId: string,
    @Name() name: string,
    @PayloadByField('storageType', ARTIFACT_REQUESTS) request: ArtifactRequest,
  ): Promise<S3ArtifactCreated | ObjectArtifactCreated | ArtifactCreated> {
    return this.creation.create(taskId, runNumber(runId), name, request, caller);
  }

  @Put('runs/:runId/artifacts/:name')
  @OwnRun()
  @RequireScopes('queue:create-artifact:<taskId>/<runId>')
  @Operation({ summary: 'Show an object whose upload is complete', status: 204, errors: [...BODY, 'ResourceNotFound'] })
  async finishArtifact(
    @TaskId() taskId: string,
    @RunId() runId: string,
    @Name() name: string,
    @Payload() { uploadId }: FinishArtifactRequest,
  ): Promise<void> {
    await this.creation.finish(taskId, runNumber(runId), name, uploadId);
  }

  @Get('runs/:runId/artifacts')
  @RequireScopes('queue:list-artifacts:<taskId>:<runId>')
  @Operation({ summary: 'List the artifacts of a run', response: ArtifactsResponse, errors: ['ResourceNotFound'] })
  listArtifacts(
    @TaskId() taskId: string,
    @RunId() runId: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<ArtifactsResponse> {
    return this.artifacts.list(taskId, runNumber(runId), { limit, token });
  }

  @Get('artifacts')
  @RequireScopes('queue:list-artifacts:<taskId>')
  @Operation({ summary: 'List the artifacts of the latest run', response: ArtifactsResponse, errors: ['ResourceNotFound'] })
  listLatestArtifacts(@TaskId() taskId: string, @Limit() limit?: string, @ContinuationToken() token?: string): Promise<ArtifactsResponse> {
    return this.artifacts.list(taskId, undefined, { limit, token });
  }

  @Get('runs/:runId/artifact-info/:name')
  @RequireScopes('queue:list-artifacts:<taskId>:<runId>')
  @Operation({ summary: 'Get what is known of an artifact', response: ArtifactResponse, errors: ['ResourceNotFound'] })
  artifactInfo(@TaskId() taskId: string, @RunId() runId: string, @Name() name: string): Promise<ArtifactResponse> {
    return this.artifacts.info(taskId, runNumber(runId), name);
  }

  @Get('artifact-info/:name')
  @RequireScopes('queue:list-artifacts:<taskId>')
  @Operation({ summary: 'Get what is known of an artifact of the latest run', response: ArtifactResponse, errors: ['ResourceNotFound'] })
  latestArtifactInfo(@TaskId() taskId: string, @Name() name: string): Promise<ArtifactResponse> {
    return this.artifacts.info(taskId, undefined, name);
  }
}

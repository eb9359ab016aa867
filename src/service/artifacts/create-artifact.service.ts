import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { objectName } from '../../credentials/artifact-grant.js';
import { slugid } from '../../credentials/slugid.js';
import { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { Sql } from '../postgres/sql.js';
import { FindTask } from '../queue/find-task.service.js';
import { refusalOf, runIsOver, runOf, type Wanted } from './artifact-refusal.js';
import type { ArtifactCreated, ArtifactRequest, ObjectArtifactCreated, S3ArtifactCreated } from './artifacts.dto.js';
import { Blobs } from './blobs/blobs.js';
import { LendArtifactCredentials } from './lend-artifact-credentials.js';
import type { ArtifactDetails, StoreName } from './sql/artifact-columns.js';
import { type CreatedRow, createArtifact } from './sql/create-artifact.js';
import { findArtifact } from './sql/find-artifact.js';
import { findRunOpen } from './sql/find-run-open.js';
import { finishArtifact } from './sql/finish-artifact.js';

const CLOCKS_MS = 15 * 60 * 1000; // a worker's clock may be this far behind
const PUT_MS = 45 * 60 * 1000;
const DEFAULT_TYPE = 'application/binary';

/** What a run leaves behind is announced here, and where its bytes go is told. */
@Injectable()
export class CreateArtifactService {
  constructor(
    private readonly sql: Sql,
    private readonly tasks: FindTask,
    private readonly blobs: Blobs,
    private readonly credentials: LendArtifactCredentials,
    private readonly config: Config,
  ) {}

  /** The same again is answered again, with fresh URLs or credentials for the same bytes. */
  async create(taskId: string, runId: number, name: string, request: ArtifactRequest, { clientId }: Caller) {
    const expires = new Date(request.expires).toISOString();
    if (Date.parse(expires) < Date.now() - CLOCKS_MS) throw new ApiError('InputError', `expires is in the past: ${expires}`);
    const { storageType } = request;
    const contentType = ('contentType' in request && request.contentType) || DEFAULT_TYPE;
    const wanted = { taskId, runId, name, storageType, contentType, expires };
    const length = 'contentLength' in request ? request.contentLength : undefined;
    const identity = [taskId, runId, name, storageType, contentType, length ?? null, expires];
    const content = [JSON.stringify(detailsOf(request)), storageType !== 'object', ...this.bytesOf(storageType), clientId];
    const [row] = await this.sql.query(createArtifact, [...identity, ...content]);
    if (!row) throw await this.refusal(wanted);
    return this.answer(row);
  }

  /** Shows an object whose upload is complete. Repeated, it changes nothing. */
  async finish(taskId: string, runId: number, name: string, uploadId: string): Promise<void> {
    const [finished] = await this.sql.query(finishArtifact, [taskId, runId, name, uploadId]);
    if (finished) return;
    const [artifact] = await this.sql.query(findArtifact, [taskId, runId, name]);
    if (!artifact) throw new ApiError('ResourceNotFound', `Artifact ${name} of run ${runId} of task ${taskId} does not exist`);
    if (artifact.storageType !== 'object') throw new ApiError('InputError', `Artifact ${name} is no object; there is nothing to finish`);
    if (artifact.uploadId !== uploadId)
      throw new ApiError('InputError', `Artifact ${name} has another uploadId; use that of createArtifact`);
    if (artifact.present) return;
    if (!artifact.uploaded) throw new ApiError('InputError', `The upload of artifact ${name} is not complete; call finishUpload first`);
    throw await this.over(taskId, runId, name);
  }

  private bytesOf(storageType: string): [StoreName | null, string | null, string | null] {
    if (storageType !== 's3' && storageType !== 'object') return [null, null, null];
    return [this.blobs.current, randomUUID(), storageType === 'object' ? slugid() : null];
  }

  private async answer(row: CreatedRow): Promise<S3ArtifactCreated | ObjectArtifactCreated | ArtifactCreated> {
    const { storageType, contentType, store, blobId, projectId, uploadId, expires } = row;
    if (storageType === 'object' && uploadId !== null) {
      const credentials = this.credentials.forUpload(row);
      return { storageType, name: objectName(row), projectId, uploadId, expires: expires.toISOString(), credentials };
    }
    if (storageType !== 's3' || store === null || blobId === null) return { storageType };
    const until = new Date(Math.min(Date.now() + PUT_MS, Math.max(Date.now(), expires.getTime())));
    const terms = { contentType, atMost: this.config.artifactMaxSize, expires: until };
    const putUrl = await (await this.blobs.store(store)).uploadUrl(blobId, terms);
    return { storageType, putUrl, expires: until.toISOString(), contentType };
  }

  private async refusal(wanted: Wanted): Promise<ApiError> {
    const { taskId, runId, name } = wanted;
    const [task, [existing], [run]] = await Promise.all([
      this.tasks.find(taskId),
      this.sql.query(findArtifact, [taskId, runId, name]),
      this.sql.query(findRunOpen, [taskId, runId]),
    ]);
    return refusalOf(wanted, task, existing, run?.open === true);
  }

  private async over(taskId: string, runId: number, name: string): Promise<ApiError> {
    const run = runOf(await this.tasks.get(taskId), runId);
    const [found] = await this.sql.query(findRunOpen, [taskId, runId]);
    if (!run || found?.open) return new ApiError('RequestConflict', `Artifact ${name} has expired, or has just changed`);
    return runIsOver({ taskId, runId }, run);
  }
}

/** Only what the storage type has: compared with what is there when the artifact is created again. */
function detailsOf(request: ArtifactRequest): ArtifactDetails {
  switch (request.storageType) {
    case 'reference':
      if (!URL.canParse(request.url)) throw new ApiError('InputError', 'url has no host and port that can be called; send one that has');
      return { url: request.url };
    case 'link':
      return { artifact: request.artifact };
    case 'error':
      return { reason: request.reason, message: request.message };
    default:
      return {};
  }
}

import { Injectable } from '@nestjs/common';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { after, cut, type PageQuery, pageSize } from '../http/page.js';
import { Sql } from '../postgres/sql.js';
import { FindTask } from '../queue/find-task.service.js';
import type { ArtifactResponse, ArtifactsResponse } from './artifacts.dto.js';
import type { ArtifactRow } from './sql/artifact-columns.js';
import { findArtifact } from './sql/find-artifact.js';
import { listArtifacts } from './sql/list-artifacts.js';

/** Links that lead to links: enough for everybody, and no caller makes us walk for long. */
const MOST_LINKS = 10;

export const GET_ARTIFACT_SCOPE = 'queue:get-artifact:<name>';

/** Reads of artifacts. `runId` undefined: that of the task's latest run. */
@Injectable()
export class FindArtifact {
  constructor(
    private readonly sql: Sql,
    private readonly tasks: FindTask,
  ) {}

  async list(taskId: string, runId: number | undefined, { limit, token }: PageQuery): Promise<ArtifactsResponse> {
    const run = await this.run(taskId, runId);
    const size = pageSize(limit);
    const found = await this.sql.query(listArtifacts, [taskId, run, after(token), size + 1]);
    const { items, ...more } = cut(found, size, (artifact) => [artifact.name]);
    return { artifacts: items.map(describe), ...more };
  }

  /** What is known of an artifact itself; links are not followed. */
  async info(taskId: string, runId: number | undefined, name: string): Promise<ArtifactResponse> {
    return describe(await this.one(taskId, await this.run(taskId, runId), name));
  }

  /** The artifact that a name leads to. The caller needs the scope of each name on the way, and learns nothing of one before that. */
  async content(taskId: string, runId: number | undefined, name: string, caller: Caller): Promise<ArtifactRow> {
    const run = await this.run(taskId, runId);
    const visited: string[] = [];
    for (let next = name; ; ) {
      if (visited.includes(next)) throw new ApiError('InputError', `Artifact ${name} is a link that leads back to ${next}`);
      if (visited.length > MOST_LINKS) throw new ApiError('InputError', `Artifact ${name} leads through more than ${MOST_LINKS} links`);
      visited.push(next);
      caller.require({ AllOf: visited.map((_, index) => `queue:get-artifact:<n${index}>`) }, namesOf(visited));
      const artifact = await this.one(taskId, run, next);
      if (artifact.expired) throw new ApiError('ResourceExpired', `Artifact ${next} has expired at ${artifact.expires.toISOString()}`);
      if (artifact.storageType !== 'link') return artifact;
      next = artifact.details.artifact ?? '';
    }
  }

  private async one(taskId: string, runId: number, name: string): Promise<ArtifactRow> {
    const [artifact] = await this.sql.query(findArtifact, [taskId, runId, name]);
    if (artifact?.present) return artifact;
    throw new ApiError('ResourceNotFound', `Artifact ${name} of run ${runId} of task ${taskId} does not exist, or is not finished`);
  }

  private async run(taskId: string, runId: number | undefined): Promise<number> {
    const task = await this.tasks.get(taskId);
    const run = runId ?? task.runId;
    if (run === null) throw new ApiError('ResourceNotFound', `Task ${taskId} has no runs`);
    if (task.runId === null || run > task.runId) throw new ApiError('ResourceNotFound', `Run ${run} of task ${taskId} does not exist`);
    return run;
  }
}

function namesOf(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [`n${index}`, name]));
}

function describe({ storageType, name, expires, contentType, contentLength }: ArtifactRow): ArtifactResponse {
  return {
    storageType,
    name,
    expires: expires.toISOString(),
    contentType,
    ...(contentLength === null ? {} : { contentLength: Number(contentLength) }),
  };
}

import { createHash } from 'node:crypto';
import { isScope } from '../scopes/scope.js';
import type { RunId } from './run-grant.js';

export interface ArtifactName extends RunId {
  name: string;
}

/** What the object service calls an artifact. */
export function objectName({ taskId, runId, name }: ArtifactName): string {
  return `t/${taskId}/${runId}/${name}`;
}

const OBJECT_NAME = /^t\/([A-Za-z0-9_-]{22})\/(\d{1,4})\/([\x20-\x7e]+)$/;

export function parseObjectName(object: string): ArtifactName | undefined {
  const [, taskId, runId, name] = OBJECT_NAME.exec(object) ?? [];
  return taskId && name ? { taskId, runId: Number(runId), name } : undefined;
}

/** Names of 1024 characters still fit into a Hawk header, which ends at 4 096, together with the longest project id. */
const LONGEST = 1_100;

/**
 * How a scope names an object. A name that no scope can hold, or that would be a pattern for other objects because it ends in `*`, is
 * named by its digest; no object is called that, because all are called `t/…`.
 */
export function scopedName(object: string): string {
  if (isScope(object) && !object.endsWith('*') && object.length <= LONGEST) return object;
  return `sha256/${createHash('sha256').update(object).digest('hex')}`;
}

export function uploadScope(projectId: string, object: string): string {
  return `object:upload:${projectId}:${scopedName(object)}`;
}

export function downloadScope(object: string): string {
  return `object:download:${scopedName(object)}`;
}

const ARTIFACT_CLIENT_ID = /^artifact-(upload|download)\//;

export function uploadClientId({ taskId, runId, workerGroup, workerId }: RunId & { workerGroup: string; workerId: string }): string {
  return `artifact-upload/${taskId}/${runId}/on/${workerGroup}/${workerId}`;
}

export function downloadClientId({ taskId, runId }: RunId): string {
  return `artifact-download/${taskId}/${runId}`;
}

/** Whether a clientId is that of credentials for one artifact. Only believe it in a certificate that the queue signed. */
export function isArtifactClientId(clientId: string): boolean {
  return ARTIFACT_CLIENT_ID.test(clientId);
}

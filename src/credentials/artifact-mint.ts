import { type ArtifactName, downloadClientId, downloadScope, objectName, uploadClientId, uploadScope } from './artifact-grant.js';
import { CERTIFICATE_SKEW_MS, issueTemporaryCredentials } from './certificate.js';
import type { Credentials } from './ext.js';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

interface Issuer {
  clientId: string;
  accessToken: string;
}

/** Credentials to upload one artifact, for a day at most. Whether they may is decided by the run, at each use. `now`: unix milliseconds. */
export function mintUploadCredentials(
  artifact: ArtifactName & { workerGroup: string; workerId: string; projectId: string; expires: Date },
  issuer: Issuer,
  now: number,
): Required<Credentials> {
  return issueTemporaryCredentials({
    issuer,
    name: uploadClientId(artifact),
    scopes: [uploadScope(artifact.projectId, objectName(artifact))],
    start: now - CERTIFICATE_SKEW_MS,
    expiry: Math.max(now, Math.min(now + DAY_MS, artifact.expires.getTime())),
  });
}

/** Credentials to download one artifact, for an hour. `now`: unix milliseconds. */
export function mintDownloadCredentials(artifact: ArtifactName, issuer: Issuer, now: number): Required<Credentials> {
  return issueTemporaryCredentials({
    issuer,
    name: downloadClientId(artifact),
    scopes: [downloadScope(objectName(artifact))],
    start: now - CERTIFICATE_SKEW_MS,
    expiry: now + HOUR_MS,
  });
}

import { Injectable } from '@nestjs/common';
import { mintDownloadCredentials, mintUploadCredentials } from '../../credentials/artifact-mint.js';
import { QUEUE_ISSUER } from '../../credentials/run-grant.js';
import type { Caller } from '../http/caller.js';
import { Keys } from '../keys.js';
import { auditParameters, insertAudit } from '../postgres/audit-log.js';
import { Sql } from '../postgres/sql.js';
import type { ArtifactCredentials } from './artifacts.dto.js';
import type { ArtifactRow } from './sql/artifact-columns.js';
import type { CreatedRow } from './sql/create-artifact.js';

/** Credentials for the object service, of just one artifact. */
@Injectable()
export class LendArtifactCredentials {
  private readonly issuer: { clientId: string; accessToken: string };

  constructor(
    keys: Keys,
    private readonly sql: Sql,
  ) {
    this.issuer = { clientId: QUEUE_ISSUER, accessToken: keys.issuer };
  }

  /** The statement that created the artifact has recorded it. */
  forUpload(artifact: CreatedRow): ArtifactCredentials {
    return mintUploadCredentials(artifact, this.issuer, Date.now());
  }

  /** Recorded before they are lent, unless anybody may have them: a stranger could fill the disk by asking. */
  async forDownload(artifact: ArtifactRow, { clientId: actor }: Caller): Promise<ArtifactCredentials> {
    const { taskId, runId, name } = artifact;
    const record = { kind: 'artifact-credentials-lent', actor, taskId, runId, detail: { name, to: 'download' } } as const;
    if (actor !== undefined) await this.sql.query(insertAudit, auditParameters([record]));
    return mintDownloadCredentials(artifact, this.issuer, Date.now());
  }
}

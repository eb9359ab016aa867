import { Injectable } from '@nestjs/common';
import { mintDownloadCredentials, mintUploadCredentials } from '../../credentials/artifact-mint.js';
import { QUEUE_ISSUER } from '../../credentials/run-grant.js';
import { Keys } from '../keys.js';
import type { ArtifactCredentials } from './artifacts.dto.js';
import type { ArtifactRow } from './sql/artifact-columns.js';
import type { CreatedRow } from './sql/create-artifact.js';

/** Credentials for the object service, of just one artifact. */
@Injectable()
export class LendArtifactCredentials {
  private readonly issuer: { clientId: string; accessToken: string };

  constructor(keys: Keys) {
    this.issuer = { clientId: QUEUE_ISSUER, accessToken: keys.issuer };
  }

  forUpload(artifact: CreatedRow): ArtifactCredentials {
    return mintUploadCredentials(artifact, this.issuer, Date.now());
  }

  forDownload(artifact: ArtifactRow): ArtifactCredentials {
    return mintDownloadCredentials(artifact, this.issuer, Date.now());
  }
}

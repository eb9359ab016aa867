import { Injectable } from '@nestjs/common';
import { Config } from '../../config.js';
import type { StoreName } from '../sql/artifact-columns.js';
import type { BlobStore } from './blob-store.js';
import { DiskStore } from './disk-store.js';

/** Which store new bytes go to, and where older ones are: who moves to S3 keeps what is on the disk. */
@Injectable()
export class Blobs {
  readonly current: StoreName;
  private s3: Promise<BlobStore> | undefined;

  constructor(
    private readonly config: Config,
    private readonly disk: DiskStore,
  ) {
    this.current = config.s3 ? 's3' : 'disk';
  }

  async store(name: StoreName): Promise<BlobStore> {
    if (name === 'disk') return this.disk;
    const { s3 } = this.config;
    if (!s3) throw new Error('the bytes of an artifact are in an S3 that is not configured any more; set ARTIFACTS_S3_BUCKET');
    // only who has an S3 waits for its SDK to load, which is as large as all the rest
    this.s3 ??= import('./s3-store.js').then(({ S3Store }) => new S3Store(s3));
    return this.s3;
  }
}

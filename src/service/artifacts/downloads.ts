import { Injectable } from '@nestjs/common';
import { Blobs } from './blobs/blobs.js';
import { fileNameOf } from './blobs/disposition.js';
import type { ArtifactRow } from './sql/artifact-columns.js';

const GET_MS = 30 * 60 * 1000;

/** URLs from which an artifact's bytes can be had for half an hour, or until it expires. */
@Injectable()
export class Downloads {
  constructor(private readonly blobs: Blobs) {}

  async of({ name, store, blobId, contentType, expires }: ArtifactRow): Promise<{ url: string; expires: Date }> {
    if (store === null || blobId === null) throw new Error(`artifact ${name} has no bytes`);
    const until = new Date(Math.min(Date.now() + GET_MS, expires.getTime()));
    const terms = { contentType, fileName: fileNameOf(name), expires: until };
    return { url: await (await this.blobs.store(store)).downloadUrl(blobId, terms), expires: until };
  }
}

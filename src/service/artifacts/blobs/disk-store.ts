import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Config } from '../../config.js';
import { Keys } from '../../keys.js';
import { BlobDirectory, type OpenBlob } from './blob-directory.js';
import {
  type Admission,
  BlobStore,
  type BlobUpload,
  type Deletion,
  type DownloadTerms,
  type StoredBlob,
  type UploadTerms,
} from './blob-store.js';
import { type BlobPermit, signedPath } from './signed-url.js';

/** Blobs on this machine's disk (or one that the replicas share), behind signed URLs of our own. */
@Injectable()
export class DiskStore extends BlobStore {
  private readonly directory: BlobDirectory;

  constructor(
    private readonly config: Config,
    private readonly keys: Keys,
    private readonly server: HttpAdapterHost,
  ) {
    super();
    this.directory = new BlobDirectory(path.join(config.dataDir, 'artifacts'));
  }

  async uploadUrl(blobId: string, { contentType, atMost, announced, expires }: UploadTerms): Promise<string> {
    return this.url({ method: 'PUT', blobId, expires: seconds(expires), atMost: announced ?? atMost, contentType });
  }

  async downloadUrl(blobId: string, { fileName, expires }: DownloadTerms): Promise<string> {
    return this.url({ method: 'GET', blobId, expires: seconds(expires), fileName });
  }

  async find(blobId: string): Promise<StoredBlob | undefined> {
    const blob = await this.directory.open(blobId);
    await blob?.close();
    return blob?.stored;
  }

  open(blobId: string): Promise<OpenBlob | undefined> {
    return this.directory.open(blobId);
  }

  async put(blobId: string, bytes: Readable, upload: BlobUpload, admit: Admission): Promise<void> {
    const unfinished = await this.directory.receive(blobId, bytes, upload);
    try {
      await admit(unfinished.stored, unfinished.place);
      await unfinished.settle();
    } catch (error) {
      await unfinished.discard();
      throw error;
    }
  }

  async delete(blobIds: readonly string[]): Promise<Deletion> {
    const deletion: Deletion = { deleted: [] };
    for (const blobId of blobIds) {
      try {
        await this.directory.remove(blobId);
        deletion.deleted.push(blobId);
      } catch (error) {
        deletion.problem = error;
      }
    }
    return deletion;
  }

  removeAbandoned(): Promise<void> {
    return this.directory.removeAbandoned(Date.now());
  }

  private url(permit: BlobPermit): string {
    return this.rootUrl() + signedPath(this.keys.blobs, permit);
  }

  /** With PORT=0 and no ROOT_URL only the server knows where it is. */
  private rootUrl(): string {
    const { rootUrl } = this.config;
    if (rootUrl !== 'http://localhost:0') return rootUrl;
    return `http://localhost:${(this.server.httpAdapter.getHttpServer().address() as AddressInfo).port}`;
  }
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

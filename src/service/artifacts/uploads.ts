import type { Readable } from 'node:stream';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ApiError } from '../http/api-error.js';
import { Housekeeper } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import { type Admission, type BlobUpload, TooManyBytes } from './blobs/blob-store.js';
import { Blobs } from './blobs/blobs.js';
import { findBlob } from './sql/find-blob.js';
import { findOpenUploads } from './sql/find-open-uploads.js';
import { findUpload } from './sql/find-upload.js';
import { recordUpload } from './sql/record-upload.js';
import type { UploadRow } from './sql/upload-columns.js';

type Terms = Omit<BlobUpload, 'contentType' | 'hashed'>;

interface UnderWay {
  blobId: string | null;
  bytes: Readable;
  /** When its URL ends: unix milliseconds. */
  until: number;
}

const REVIEW_EVERY = 60;

/** Bytes on their way to their place. The run decides: once it is over, no URL and no credentials of it change anything. */
@Injectable()
export class Uploads implements OnModuleInit {
  private readonly underWay = new Set<UnderWay>();

  constructor(
    private readonly sql: Sql,
    private readonly blobs: Blobs,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    const review = async () => this.review().then(() => 'done' as const);
    this.housekeeper.register({ name: 'breaking off uploads that nobody wants', every: REVIEW_EVERY, batch: review });
  }

  async byName(taskId: string, runId: number, name: string): Promise<UploadRow | undefined> {
    const [row] = await this.sql.query(findUpload, [taskId, runId, name]);
    return row;
  }

  async byBlob(blobId: string): Promise<UploadRow | undefined> {
    const [row] = await this.sql.query(findBlob, [blobId]);
    return row;
  }

  /** Throws RequestConflict if the bytes may not change any more. */
  assertOpen({ name, taskId, runId, expired, uploaded, runOpen }: UploadRow): void {
    if (expired) throw new ApiError('RequestConflict', `Artifact ${name} has expired`);
    if (uploaded) throw new ApiError('RequestConflict', `The upload of artifact ${name} is complete; it stays as it is`);
    if (!runOpen) throw new ApiError('RequestConflict', `Run ${runId} of task ${taskId} is over; it takes no more artifacts`);
  }

  /** What comes over the wire, as long as it is wanted: until its URL ends (unix milliseconds), or the run does. */
  async receive(row: UploadRow, bytes: Readable, upload: Terms, until: number): Promise<void> {
    const one = { blobId: row.blobId, bytes, until };
    this.underWay.add(one);
    await this.put(row, bytes, upload).finally(() => this.underWay.delete(one));
  }

  /** At the end nothing of it would be admitted; but until then a byte now and then would hold the connection and what was written. */
  private async review(): Promise<void> {
    const uploads = [...this.underWay];
    if (uploads.length === 0) return;
    const found = await this.sql.query(findOpenUploads, [uploads.map(({ blobId }) => blobId)]);
    const open = new Set(found.map(({ blobId }) => blobId));
    for (const { blobId, bytes, until } of uploads) {
      const wanted = blobId !== null && open.has(blobId) && Date.now() < until;
      if (!wanted && !bytes.readableEnded) bytes.destroy(new Error('nobody wants the rest of the upload'));
    }
  }

  /** All or nothing: a reader sees the former bytes until all of these are there. */
  async put(row: UploadRow, bytes: Readable, upload: Terms): Promise<void> {
    const { store, blobId, contentType, name } = row;
    if (store === null || blobId === null) throw new Error(`artifact ${name} has no bytes`);
    const admit: Admission = ({ length, hashes }, place) =>
      this.sql.transaction(async (runner) => {
        const [admitted] = await runner.query(recordUpload, [blobId, length, JSON.stringify(hashes)]);
        if (!admitted) throw new ApiError('RequestConflict', `Artifact ${name} is complete or has expired, or its run is over`);
        await place(); // under the row's lock, so the row is always that of the bytes; the last thing, so it never happens twice
      });
    const blobs = await this.blobs.store(store);
    try {
      await blobs.put(blobId, bytes, { ...upload, contentType, hashed: row.storageType === 'object' }, admit);
    } catch (error) {
      if (error instanceof TooManyBytes) throw tooLarge(upload.atMost);
      // nobody reads this answer; but that a sender hung up is no failure of ours
      if (bytes.errored) throw new ApiError('MalformedPayload', 'The upload broke off; send it again', { cause: error });
      throw error;
    }
  }
}

export function tooLarge(atMost: number): ApiError {
  return new ApiError('InputTooLarge', `The artifact is larger than ${atMost} bytes; nothing of it was kept`);
}

import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { S3Config } from '../../config.js';
import {
  type Admission,
  BlobStore,
  type BlobUpload,
  type Deletion,
  type DownloadTerms,
  type StoredBlob,
  type UploadTerms,
} from './blob-store.js';
import { dispositionOf } from './disposition.js';

const MOST_DELETED = 1000; // in one call, says S3
const CONNECT_WITHIN_MS = 5_000;
const ANSWER_WITHIN_MS = 30_000; // the SDK itself would wait for ever

/** Blobs in a bucket of S3, or of what speaks its protocol. The bytes go past us, between the caller and the bucket. */
export class S3Store extends BlobStore {
  private readonly client: S3Client;

  constructor(private readonly config: S3Config) {
    super();
    const { endpoint, region, accessKeyId, secretAccessKey } = config;
    this.client = new S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      // without them, wherever the SDK finds them: AWS_… variables, the profile, the machine's role
      ...(accessKeyId !== undefined && secretAccessKey !== undefined ? { credentials: { accessKeyId, secretAccessKey } } : {}),
      requestHandler: { connectionTimeout: CONNECT_WITHIN_MS, requestTimeout: ANSWER_WITHIN_MS },
      // otherwise the SDK signs the checksum of a body it has not seen into the URL, and every upload fails
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  /** What is not announced has no limit here: S3 signs one length, not a range of them. */
  uploadUrl(blobId: string, { contentType, announced, expires }: UploadTerms): Promise<string> {
    const length = announced === undefined ? {} : { ContentLength: announced };
    const command = new PutObjectCommand({ ...this.named(blobId), ContentType: contentType, ...length });
    const signableHeaders = new Set(['content-type', ...(announced === undefined ? [] : ['content-length'])]);
    return getSignedUrl(this.client, command, { expiresIn: secondsUntil(expires), signableHeaders });
  }

  downloadUrl(blobId: string, { contentType, fileName, expires }: DownloadTerms): Promise<string> {
    const ResponseContentDisposition = dispositionOf(contentType, fileName);
    const command = new GetObjectCommand({ ...this.named(blobId), ResponseContentDisposition });
    return getSignedUrl(this.client, command, { expiresIn: secondsUntil(expires) });
  }

  async find(blobId: string): Promise<StoredBlob | undefined> {
    try {
      const { ContentLength = 0, ContentType = '' } = await this.client.send(new HeadObjectCommand(this.named(blobId)));
      return { contentType: ContentType, length: ContentLength, hashes: {} };
    } catch (error) {
      if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 404) return undefined;
      throw error;
    }
  }

  /**
   * Only for what came to us in the body of a request, so it is small. Put in its place after the admission, which is no time to wait
   * for a bucket; whoever has a URL of the bucket's could come between anyway.
   */
  async put(blobId: string, bytes: Readable, { contentType }: BlobUpload, admit: Admission): Promise<void> {
    const Body = await buffer(bytes);
    await admit({ contentType, length: Body.length, hashes: {} }, async () => undefined);
    await this.client.send(new PutObjectCommand({ ...this.named(blobId), Body, ContentType: contentType }));
  }

  async delete(blobIds: readonly string[]): Promise<Deletion> {
    if (blobIds.length > MOST_DELETED) throw new Error(`S3 deletes at most ${MOST_DELETED} objects in one call`);
    const Objects = blobIds.map((blobId) => ({ Key: this.named(blobId).Key }));
    const command = new DeleteObjectsCommand({ Bucket: this.config.bucket, Delete: { Objects, Quiet: true } });
    const { Errors = [] } = await this.client.send(command);
    if (Errors.length === 0) return { deleted: [...blobIds] };
    const kept = new Set(Errors.map(({ Key }) => Key));
    const problem = new Error(`the bucket did not delete ${Errors.length} objects: ${Errors[0]?.Code} ${Errors[0]?.Message}`);
    // an error that names no object may be that of any
    return { deleted: kept.has(undefined) ? [] : blobIds.filter((blobId) => !kept.has(this.named(blobId).Key)), problem };
  }

  private named(blobId: string): { Bucket: string; Key: string } {
    return { Bucket: this.config.bucket, Key: `artifacts/${blobId}` };
  }
}

function secondsUntil(time: Date): number {
  return Math.max(1, Math.floor((time.getTime() - Date.now()) / 1000));
}

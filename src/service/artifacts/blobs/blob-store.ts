import type { Readable } from 'node:stream';

/** What a store knows of the bytes it keeps. */
export interface StoredBlob {
  contentType: string;
  /** As it was sent, and is sent back. */
  contentEncoding?: string;
  length: number;
  /** Hexadecimal digests; only where they were asked for. */
  hashes: Record<string, string>;
  /** Of this upload and no other, for who resumes a download; where it goes past us, the bucket sees to that. */
  etag?: string;
}

export interface BlobUpload {
  contentType: string;
  contentEncoding?: string;
  /** In bytes. */
  atMost: number;
  hashed: boolean;
}

export interface UploadTerms {
  contentType: string;
  /** In bytes. */
  atMost: number;
  /** How many it will be, if that is known; a store that can only count exactly holds the uploader to it. */
  announced?: number;
  expires: Date;
}

export interface DownloadTerms {
  contentType: string;
  /** What the bytes are called when they are stored in a file. */
  fileName: string;
  expires: Date;
}

export interface Deletion {
  /** The ids of those that are gone. */
  deleted: string[];
  /** Why others are not: one of the reasons. */
  problem?: unknown;
}

/** More came than was allowed. Nothing of it was kept. */
export class TooManyBytes extends Error {}

/**
 * Is asked when all bytes are safe but not yet in their place: has them put there, which is quick, or throws to have them dropped. So
 * it can see to it that nothing comes between what is written down of the bytes and the bytes.
 */
export type Admission = (stored: StoredBlob, place: () => Promise<void>) => Promise<void>;

/** Where the bytes of artifacts are. A blob is called by a random id of ours; the names of artifacts never come here. */
export abstract class BlobStore {
  /** A URL to which anybody may PUT the blob by these terms; the last complete one wins. */
  abstract uploadUrl(blobId: string, terms: UploadTerms): Promise<string>;
  /** A URL from which anybody may GET the blob by these terms. */
  abstract downloadUrl(blobId: string, terms: DownloadTerms): Promise<string>;
  abstract find(blobId: string): Promise<StoredBlob | undefined>;
  abstract put(blobId: string, bytes: Readable, upload: BlobUpload, admit: Admission): Promise<void>;
  /** What is not there counts as deleted. One that cannot be deleted keeps none of the others. */
  abstract delete(blobIds: readonly string[]): Promise<Deletion>;
}

import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { type BlobUpload, type StoredBlob, TooManyBytes } from './blob-store.js';

/** A blob is one file: what is known of it, padded to this many bytes, then its bytes. So both change in the same rename. */
const HEADER_BYTES = 1024;
const BLOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ABANDONED_MS = 60 * 60 * 1000; // an upload that stands still is hung up on after one minute

/** A file that is not in its place yet. */
interface Unfinished {
  stored: StoredBlob;
  /** Quick. */
  place(): Promise<void>;
  /** After that: what we said we have is still there after the power failed. */
  settle(): Promise<void>;
  discard(): Promise<void>;
}

export interface OpenBlob {
  stored: StoredBlob;
  /** The bytes from `start` to `end`, both included. Closes the file. */
  read(start: number, end: number): Readable;
  close(): Promise<void>;
}

/** The files under one directory: `blobs/<two characters>/<blob id>`, and `unfinished/<random>` while they are being written. */
export class BlobDirectory {
  constructor(private readonly root: string) {}

  /** Writes what comes; nothing is left behind when it breaks off. Throws TooManyBytes. */
  async receive(blobId: string, bytes: Readable, upload: BlobUpload): Promise<Unfinished> {
    const unfinished = path.join(this.root, 'unfinished', randomUUID());
    const place = this.place(blobId);
    for (const name of [unfinished, place]) await mkdir(path.dirname(name), { recursive: true, mode: 0o700 });
    const file = await open(unfinished, 'wx', 0o600);
    const discard = () => rm(unfinished, { force: true });
    try {
      const stored = await write(file, bytes, upload);
      await file.sync();
      await file.close();
      return { stored, discard, place: () => rename(unfinished, place), settle: () => synchronise(path.dirname(place)) };
    } catch (error) {
      await file.close().catch(() => undefined);
      await discard();
      throw error;
    }
  }

  async open(blobId: string): Promise<OpenBlob | undefined> {
    const file = await open(this.place(blobId), constants.O_RDONLY).catch(absent);
    if (!file) return undefined;
    try {
      const stored = await readHeader(file);
      await assertWhole(file, stored);
      const read = (start: number, end: number) => file.createReadStream({ start: HEADER_BYTES + start, end: HEADER_BYTES + end });
      return { stored, read, close: () => file.close() };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async remove(blobId: string): Promise<void> {
    await rm(this.place(blobId), { force: true });
  }

  /** Files that a process left behind when it died in the middle of an upload. */
  async removeAbandoned(now: number): Promise<void> {
    const directory = path.join(this.root, 'unfinished');
    for (const name of (await readdir(directory).catch(absent)) ?? []) {
      const file = path.join(directory, name);
      const found = await stat(file).catch(absent);
      if (found && now - found.mtimeMs > ABANDONED_MS) await rm(file, { force: true });
    }
  }

  /** The one place where a path is made, of nothing but a UUID. */
  private place(blobId: string): string {
    if (!BLOB_ID.test(blobId)) throw new Error('a blob id is a UUID');
    return path.join(this.root, 'blobs', blobId.slice(0, 2), blobId);
  }
}

async function write(file: FileHandle, bytes: Readable, upload: BlobUpload): Promise<StoredBlob> {
  const digests = upload.hashed ? [createHash('sha256'), createHash('sha512')] : [];
  let length = 0;
  // a refusal must still be sent: leaving the loop may not destroy the request
  for await (const chunk of bytes.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (length + chunk.length > upload.atMost) throw new TooManyBytes();
    for (const digest of digests) digest.update(chunk);
    await writeAll(file, chunk, HEADER_BYTES + length);
    length += chunk.length;
  }
  const [sha256, sha512] = digests.map((digest) => digest.digest('hex'));
  const hashes: Record<string, string> = sha256 && sha512 ? { sha256, sha512 } : {};
  const { contentType, contentEncoding } = upload;
  const stored = {
    contentType,
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
    length,
    hashes,
    etag: randomUUID(),
  };
  const header = Buffer.from(`${JSON.stringify(stored).padEnd(HEADER_BYTES - 1)}\n`);
  if (header.length !== HEADER_BYTES) throw new Error('what is known of a blob does not fit before it');
  await writeAll(file, header, 0);
  return stored;
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

async function readHeader(file: FileHandle): Promise<StoredBlob> {
  const header = Buffer.alloc(HEADER_BYTES);
  await file.read(header, 0, HEADER_BYTES, 0);
  return JSON.parse(header.toString());
}

/** An answer of fewer bytes than it announces would have the caller take the next answer for the rest. */
async function assertWhole(file: FileHandle, { length }: StoredBlob): Promise<void> {
  const { size } = await file.stat();
  if (size === HEADER_BYTES + length) return;
  throw new Error(`the file of a blob is damaged: it has ${size} bytes instead of ${HEADER_BYTES + length}`);
}

async function synchronise(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

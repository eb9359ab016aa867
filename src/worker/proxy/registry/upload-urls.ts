import { randomBytes } from 'node:crypto';

/** Uploads that one run may have under way. Docker and skopeo have some six at once; beyond, the oldest is forgotten. */
const MOST_UPLOADS = 1_000;
/** Characters of an upload's URL. */
export const LONGEST_UPLOAD_URL = 8_192;

export interface Upload {
  origin: string;
  repository: string;
  /** Path and query at the registry. Secret-like: whoever has it and may push there can go on with the upload. */
  target: string;
}

/**
 * The uploads that a run has opened. A registry binds them to nobody, so steps never see their URLs: they are told names of ours, which are
 * good here and for this run alone, and say nothing in a log.
 */
export class UploadUrls {
  readonly #uploads = new Map<string, Upload>();

  /** Answers the name of a new upload. */
  open(upload: Upload): string {
    const [oldest] = this.#uploads.keys();
    if (this.#uploads.size >= MOST_UPLOADS && oldest !== undefined) this.#uploads.delete(oldest);
    const name = randomBytes(18).toString('base64url');
    this.#uploads.set(name, upload);
    return name;
  }

  /** undefined: this run has opened none by that name in that repository. */
  find(name: string, origin: string, repository: string): Upload | undefined {
    const upload = this.#uploads.get(name);
    return upload?.origin === origin && upload.repository === repository ? upload : undefined;
  }

  /** The registry may tell where to go on with every answer. */
  move(name: string, target: string): void {
    const upload = this.#uploads.get(name);
    if (upload) this.#uploads.set(name, { ...upload, target });
  }

  close(name: string): void {
    this.#uploads.delete(name);
  }

  clear(): void {
    this.#uploads.clear();
  }
}

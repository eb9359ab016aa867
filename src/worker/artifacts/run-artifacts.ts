import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { createLeaseholdClient } from '../../client/client.js';
import type { components } from '../../client/types.js';
import { isQueuesWord, readWhole } from '../queue/ask.js';
import { ArtifactError, type ArtifactErrorCode, UnfitFile, type UnfitReason } from './artifact-error.js';
import { type UploadedBytes, uploadBytes } from './upload-bytes.js';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** What S3 takes in one PUT. */
const MOST_BYTES = 5 * 1024 ** 3;
/** Milliseconds before each further try, to be varied by a half: a deployment is over in that time, and a lease is not. */
const PAUSES = [500, 1_000, 2_000, 4_000, 8_000];
const ANSWER_WITHIN = 30_000;
const LONGEST_ANSWER = 1024 * 1024;
const LONGEST_MESSAGE = 4096;

type ArtifactRequest = components['schemas'][`${'S3' | 'Reference' | 'Link' | 'Error'}ArtifactRequest`];

export interface RunArtifactsOptions {
  /** With the run's credentials, asked for at each call: a reclaim's are used from then on. */
  client: ReturnType<typeof createLeaseholdClient>;
  taskId: string;
  runId: number;
  /** RFC 3339, not after the task's: of artifacts that say nothing else. */
  expires: string;
  /** What the queue takes at most; larger files are not sent. */
  mostBytes?: number;
  /** Milliseconds between tries; as many tries as there are of these, and one. */
  pauses?: readonly number[];
}

export interface ArtifactTerms {
  contentType: string;
  /** RFC 3339. */
  expires?: string;
}

/**
 * What one run leaves behind. Each of these may be called again with the same, and changes nothing then. What fails for a reason that may
 * pass is tried again, for a quarter of a minute. All throw ArtifactError.
 */
export class RunArtifacts {
  constructor(private readonly options: RunArtifactsOptions) {}

  /** A path (whose last part must be no link), or an open file, which stays open. Too large a file leaves an error, and throws UnfitFile. */
  async putFile(name: string, { file, ...terms }: ArtifactTerms & { file: number | string }): Promise<UploadedBytes> {
    if (typeof file === 'number') return this.#putOpen(name, file, terms);
    const open = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      return await this.#putOpen(name, open, terms);
    } finally {
      closeSync(open);
    }
  }

  /** May be changed later, by another reference or a link. */
  async putReference(name: string, { url, ...terms }: ArtifactTerms & { url: string }): Promise<void> {
    await this.#create(name, { storageType: 'reference', url, ...this.#typed(terms) });
  }

  /** To another artifact of this run. */
  async putLink(name: string, to: string, terms: ArtifactTerms): Promise<void> {
    await this.#create(name, { storageType: 'link', artifact: to, ...this.#typed(terms) });
  }

  /** Instead of a file that is not there, for all to know why. */
  async putError(name: string, reason: UnfitReason, message: string): Promise<void> {
    const text = message.toWellFormed().replaceAll('\0', '\ufffd').slice(0, LONGEST_MESSAGE).toWellFormed();
    await this.#create(name, { storageType: 'error', expires: this.options.expires, reason, message: text });
  }

  async #putOpen(name: string, file: number, terms: ArtifactTerms): Promise<UploadedBytes> {
    await this.#assertFit(name, file);
    const request = { storageType: 's3', ...this.#typed(terms) } as const;
    return this.#tried(async () => {
      const { putUrl, contentType } = await this.#createOnce(name, request); // each time: a URL does not last, and changes nothing
      return uploadBytes(putUrl, contentType, file);
    });
  }

  async #assertFit(name: string, file: number): Promise<void> {
    const { mostBytes = MOST_BYTES } = this.options;
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new TypeError('What is sent must be an ordinary file');
    if (stats.size <= mostBytes) return;
    const message = `The file has ${stats.size} bytes, more than the ${mostBytes} that are kept`;
    await this.putError(name, 'too-large-file-on-worker', message);
    throw new UnfitFile('too-large-file-on-worker', message);
  }

  #typed({ contentType, expires = this.options.expires }: ArtifactTerms) {
    return { contentType, expires };
  }

  #create(name: string, request: ArtifactRequest): Promise<unknown> {
    return this.#tried(() => this.#createOnce(name, request));
  }

  async #createOnce(name: string, body: ArtifactRequest): Promise<{ putUrl: string; contentType: string }> {
    const { client, taskId, runId } = this.options;
    const path = { taskId, runId: String(runId), name };
    const signal = AbortSignal.timeout(ANSWER_WITHIN);
    const route = '/api/queue/v1/task/{taskId}/runs/{runId}/artifacts/{name}';
    const fetch = (request: Request) => readWhole(request, LONGEST_ANSWER);
    const { data, error, response } = await client.POST(route, { params: { path }, body, signal, fetch }).catch((cause) => {
      throw new ArtifactError('unavailable', `Artifact ${name}: the queue did not answer (${cause.cause?.code ?? cause.name})`, { cause });
    });
    if (data) return data as { putUrl: string; contentType: string };
    const code = isQueuesWord(error) ? codeOf(response.status) : 'unavailable'; // of something in between that is for a moment without a queue
    throw new ArtifactError(code, `Artifact ${name}: ${response.status} ${messageOf(error)}`);
  }

  async #tried<T>(once: () => Promise<T>): Promise<T> {
    for (const ms of this.options.pauses ?? PAUSES) {
      try {
        return await once();
      } catch (error) {
        if (!(error instanceof ArtifactError) || error.code !== 'unavailable') throw error;
        await pause(ms * (0.5 + Math.random()));
      }
    }
    return once();
  }
}

/** Credentials that have just ended (401) are replaced by a reclaim: others may be there at the next try. */
function codeOf(status: number): ArtifactErrorCode {
  if (status === 409) return 'conflict';
  if (status === 413) return 'too-large';
  return status >= 500 || status === 401 || status === 408 || status === 429 ? 'unavailable' : 'refused';
}

/** A proxy before the queue may answer anything. */
function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : '(no message)';
}
